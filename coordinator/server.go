package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/datadir"
	"stasis/internal/network"
	"stasis/internal/wait"
)

// Server is a running coordinator.
type Server struct {
	c      Config
	id     string
	addr   string       // advertised
	dir    *datadir.Dir // nil without a directory
	life   *life
	reboot atomic.Uint64

	parts      *parts
	http       *network.Server    // nil until it listens
	cancel     context.CancelFunc // ends the background work
	background sync.WaitGroup
	errs       chan error
	closing    wait.Once
}

// Start registers a coordinator with the agency and serves. It returns when requests are
// answered. ctx and Timing.Start bound the start only.
func Start(ctx context.Context, c Config) (*Server, error) {
	c = c.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, c.Timing.Start)
	defer cancel()
	s := &Server{c: c, id: datadir.Coordinator.NewID(), life: newLife(), errs: make(chan error, 1)}
	if c.Dir != "" {
		dir, err := datadir.Open(c.FS, c.Dir, datadir.Coordinator, nil)
		if err != nil {
			return nil, fmt.Errorf("open data directory: %w", err)
		}
		s.dir, s.id = dir, dir.ID()
	}
	if err := s.start(ctx); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Timing.Shutdown)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("start coordinator %s: %w", s.id, err), s.Close(closing))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	background, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	var err error
	if s.parts, err = newParts(s.c, self{id: s.id, addr: s.Addr, dir: s.dir, life: s.life, registered: s.reboot.Load}); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	s.run(background, "watch cache", s.parts.cache.Run)
	if err := agencyclient.Bootstrap(ctx, s.parts.agency); err != nil {
		return fmt.Errorf("bootstrap the agency: %w", err)
	}
	reboot, err := agencyclient.Register(ctx, s.parts.agency, agencyclient.Registration{
		ID: s.id, Process: keys.ProcessOf(s.c.Name, s.c.PID, s.c.Dir), Role: agencyclient.Coordinator, Endpoint: "tcp://" + s.addr, Host: hostOf(s.addr), Engine: "rocksdb",
	})
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	s.reboot.Store(reboot)
	if _, err := s.parts.cache.Sync(ctx); err != nil {
		return fmt.Errorf("read the agency: %w", err)
	}
	s.run(background, "heartbeat", s.heartbeat)
	s.run(background, "backups", s.parts.backups.Run)
	s.run(background, "transactions", s.parts.txns.Run)
	s.run(background, "cursors", func(ctx context.Context) error {
		s.parts.cursors.Run(ctx)
		return ctx.Err()
	})
	s.life.serve()
	s.c.Logger.Info("coordinator serves", "id", s.id, "address", s.addr, "rebootId", reboot)
	return nil
}

func (s *Server) listen() error {
	listener, err := s.c.Network.Listen(s.c.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.c.Listen, err)
	}
	if s.addr = s.c.Advertise; s.addr == "" { // before the first request asks for it
		s.addr = listener.Addr().String()
	}
	server := network.ServeListener(listener, s.parts.api, network.ServerOptions{
		Logger: s.c.Logger.Named("http"), HeaderTimeout: s.c.Timing.Header, Grace: s.c.Timing.Shutdown,
		Advertise: s.addr, Names: []string{s.c.Listen}, Browsers: s.c.Browsers, Limits: s.c.HTTP,
	})
	s.http = server
	s.background.Go(func() {
		select {
		case err := <-server.Err():
			s.fail(err)
		case <-s.life.ended:
		}
	})
	return nil
}

// run runs work in the background until Close. If work ends before, the server fails.
func (s *Server) run(ctx context.Context, what string, work func(context.Context) error) {
	s.background.Go(func() {
		if err := work(ctx); ctx.Err() == nil {
			s.fail(fmt.Errorf("%s ended: %w", what, err))
		}
	})
}

// fail tells the owner that this server cannot work any more. The first error counts.
func (s *Server) fail(err error) {
	select {
	case s.errs <- err:
	default:
	}
}

// heartbeat sends a heartbeat at every interval until ctx ends.
func (s *Server) heartbeat(ctx context.Context) error {
	tick := time.NewTicker(s.c.Timing.Heartbeat)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*s.c.Timing.Heartbeat)
		if err := agencyclient.Heartbeat(attempt, s.parts.agency, s.id, "SERVING"); err != nil && ctx.Err() == nil {
			s.c.Logger.Debug("heartbeat", "error", err)
		}
		cancel()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// ID is the server id, CRDN-<uuid>.
func (s *Server) ID() string { return s.id }

// Addr is the advertised host:port.
func (s *Server) Addr() string { return s.addr }

// URL is http:// and Addr.
func (s *Server) URL() string { return "http://" + s.addr }

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

// Err delivers the error that stops the server, if anything but Close stops it.
func (s *Server) Err() <-chan error { return s.errs }

// Close accepts no new requests, finishes those in flight, at most for Timing.Shutdown and
// while ctx lasts, and waits for every goroutine. It may be called again.
func (s *Server) Close(ctx context.Context) error {
	return s.closing.Do(context.WithoutCancel(ctx), func() error { return s.close(ctx) })
}

func (s *Server) close(ctx context.Context) error {
	s.life.stop()
	var errs []error
	if s.parts != nil {
		s.parts.txns.Stop() // their operations end
	}
	if s.http != nil {
		// Data definition outlives its client's request; it is given up when requests are.
		polite, cancel := context.WithTimeout(ctx, s.c.Timing.Shutdown)
		late := context.AfterFunc(polite, func() {
			s.cancel()
			s.parts.catalog.Stop()
		})
		errs = append(errs, s.http.Shutdown(ctx))
		late()
		cancel()
	}
	if s.parts != nil {
		polite, cancel := context.WithTimeout(ctx, s.c.Timing.Shutdown)
		s.parts.txns.Close(polite)
		cancel()
	}
	if s.cancel != nil {
		s.cancel()
	}
	if s.parts != nil {
		s.parts.catalog.Close()
	}
	s.background.Wait()
	if s.parts != nil {
		s.parts.client.CloseIdleConnections()
	}
	if s.dir != nil {
		errs = append(errs, s.dir.Close())
	}
	return errors.Join(errs...)
}
