package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/admin"
	"stasis/coordinator/backup"
	"stasis/coordinator/catalog"
	"stasis/coordinator/cursor"
	"stasis/coordinator/route"
	"stasis/coordinator/survey"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

// Server is a running coordinator.
type Server struct {
	c      Config
	id     string
	addr   string       // advertised
	dir    *datadir.Dir // nil without a directory
	life   life
	reboot atomic.Uint64

	parts
	cancel     context.CancelFunc // ends the background work
	background sync.WaitGroup
	errs       chan error
	closing    sync.Once
}

// parts are what the server is made of.
type parts struct {
	http    *network.Server
	client  *http.Client // to agents and DB servers
	agency  *agencyclient.Client
	cache   *agencyclient.Cache
	catalog *catalog.Catalog
	api     *api
	backups *backup.Service
}

// Start registers a coordinator with the agency and serves. It returns when
// requests are answered; ctx and Timing.Start bound the start only.
func Start(ctx context.Context, c Config) (*Server, error) {
	c = c.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, c.Timing.Start)
	defer cancel()
	s := &Server{c: c, id: datadir.Coordinator.NewID(), errs: make(chan error, 1)}
	s.life.ended = make(chan struct{})
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
	if err := s.build(); err != nil {
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
		ID: s.id, Role: agencyclient.Coordinator, Endpoint: "tcp://" + s.addr, Host: hostOf(s.addr), Engine: "rocksdb",
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
	s.run(background, "cursors", func(ctx context.Context) error {
		s.parts.api.cursors.Run(ctx)
		return ctx.Err()
	})
	s.life.become(serving)
	s.c.Logger.Info("coordinator serves", "id", s.id, "address", s.addr, "rebootId", reboot)
	return nil
}

// build makes the parts; nothing runs yet.
func (s *Server) build() error {
	c, p := s.c, &s.parts
	follow := agencyclient.Options{Endpoints: c.Agency, Logger: c.Logger.Named("agency")}
	if s.dir != nil {
		var err error
		if follow.Origin, follow.Remember, err = agencyclient.Remembered(s.dir); err != nil {
			return err
		}
	}
	p.client = network.NewHTTPClient(c.Network)
	follow.HTTP = s.client
	p.agency = agencyclient.New(follow)
	p.cache = agencyclient.NewCache(p.agency, c.Logger.Named("cache"))
	reboot := func() uint64 { return rebootID(p.catalog.Cached(), s.id, s.reboot.Load()) }
	p.catalog = catalog.New(catalog.Options{
		Agency: p.agency, Cache: p.cache, ID: s.id, RebootID: reboot, Logger: c.Logger.Named("catalog"),
		Reserve:   func(ctx context.Context, n uint64) (uint64, error) { return agencyclient.ReserveIDs(ctx, p.agency, n) },
		MaxShards: c.Limits.Shards, ReportWait: c.Timing.DDL, SyncWait: c.Timing.Sync, ThawWait: c.Timing.Thaw, AgencyTimeout: c.Timing.Agency,
	})
	servers := dbclient.New(s.client)
	steps := newStepLog(c.Limits.StepEvents)
	p.backups = backup.New(backup.Deps{
		Agency: p.agency, Cache: p.cache, Servers: servers, Movers: servers, Peers: backup.StatusPeers{HTTP: s.client}, ID: s.id, RebootID: reboot,
		Steps: event.Tee(steps.add, c.Steps), Logger: c.Logger.Named("backup"), WithoutLocks: c.WithoutLocks,
	})
	p.api = &api{
		id: s.id, addr: s.Addr, started: time.Now(), life: &s.life, logger: c.Logger.Named("api"), limits: c.Limits, http: c.HTTP, timing: c.Timing,
		survey: &survey.Survey{
			ID: s.id, Agency: p.agency, Catalog: p.catalog, Replicas: servers, HTTP: s.client, Ended: s.life.ended, Logger: c.Logger.Named("survey"),
		},
		admin:   &admin.Admin{ID: s.id, Agency: p.agency, Catalog: p.catalog, Logger: c.Logger.Named("admin"), Timing: c.Admin.WithDefaults()},
		catalog: p.catalog, cursors: cursor.NewStore(c.Limits.CursorBytes), steps: steps,
		router: &route.Router{Servers: servers, Catalog: p.catalog, Attempt: c.Timing.Request, Retry: c.Timing.NoLeader, AtOnce: c.Limits.DocumentsAtOnce},
	}
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
	server := network.ServeListener(listener, s.parts.api.mux(s.parts.backups.Handler()), network.ServerOptions{
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

// run does work in the background until Close; what ends by itself ends the server.
func (s *Server) run(ctx context.Context, what string, work func(context.Context) error) {
	s.background.Go(func() {
		if err := work(ctx); ctx.Err() == nil {
			s.fail(fmt.Errorf("%s ended: %w", what, err))
		}
	})
}

// fail tells the owner that this server can no longer work; the first reason counts.
func (s *Server) fail(err error) {
	select {
	case s.errs <- err:
	default:
	}
}

// heartbeat tells supervision that this server lives.
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

// Err delivers the error that stopped the server, if anything but Close does.
func (s *Server) Err() <-chan error { return s.errs }

// Close answers no more new requests, finishes those in flight, at most as long
// as ctx and Timing.Shutdown allow, and waits for every goroutine. It may be
// called again.
func (s *Server) Close(ctx context.Context) error {
	var err error
	s.closing.Do(func() { err = s.close(ctx) })
	return err
}

func (s *Server) close(ctx context.Context) error {
	s.life.become(stopping)
	close(s.life.ended) // followers of steps leave
	var errs []error
	if s.http != nil {
		// What outlives its client's request is given up when the requests are.
		polite, cancel := context.WithTimeout(ctx, s.c.Timing.Shutdown)
		late := context.AfterFunc(polite, func() {
			s.cancel()
			s.parts.catalog.Stop()
		})
		errs = append(errs, s.http.Shutdown(ctx))
		late()
		cancel()
	}
	if s.cancel != nil {
		s.cancel()
		s.parts.catalog.Close()
	}
	s.background.Wait()
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	if s.dir != nil {
		errs = append(errs, s.dir.Close())
	}
	return errors.Join(errs...)
}
