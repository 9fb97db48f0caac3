package dbserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/dbserver/api"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/diskhealth"
	"stasis/dbserver/gate"
	"stasis/dbserver/lease"
	"stasis/dbserver/pieces"
	"stasis/dbserver/store"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

// What a request is told while the data is shut. Shared: never changed.
var (
	errStarting error = apierror.New(apierror.StartingUp, "server is starting")
	errStopping error = apierror.New(apierror.ShuttingDown, "server is shutting down")
)

// Server is one running DB server. It starts, connects and stops the parts that do the work.
// Its methods may be called from any goroutine.
type Server struct {
	config  Config
	log     hclog.Logger
	dir     *datadir.Dir
	id      string
	addr    string // that others reach
	cluster cluster
	known   registration

	lease   *lease.Lease
	disk    *disk
	gate    *gate.Gate
	access  *store.Access
	reader  *pieces.Reader
	data    data
	handler *api.Handler
	http    *network.Server

	tasks    *tasks
	closing  sync.Once
	closeErr error
}

// cluster has the connections to the other servers.
type cluster struct {
	web    *http.Client // to the agency and to other DB servers
	agency *agencyclient.Client
	cache  *agencyclient.Cache
	peers  *dbclient.Client // other DB servers
}

// registration is what the agency knows of this process.
type registration struct {
	reboot atomic.Uint64 // 0 before the server is registered
	epoch  atomic.Uint64 // of the open data
	done   chan struct{} // closed when the server is registered
}

// Start opens the data directory, joins the cluster and serves; it returns when data is
// served. It waits for an agency as long as ctx allows. If ctx ends before, so does the start;
// afterwards ctx has no effect.
func Start(ctx context.Context, c Config) (*Server, error) {
	c = c.withDefaults()
	dir, err := datadir.Open(c.FS, c.Dir, datadir.DBServer, nil)
	if err != nil {
		return nil, err
	}
	s := &Server{
		config: c, log: c.Logger, id: dir.ID(), dir: dir, lease: lease.New(c.Clock),
		gate: gate.New(c.Logger.Named("gate")), access: store.NewAccess(errStarting), tasks: newTasks(c.Logger),
	}
	s.known.done = make(chan struct{})
	if err := s.connect(); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	s.reader = pieces.NewReader(s.id, s.cluster.agency, s.cluster.cache, c.Timing.Agency)
	s.disk = watchDisk(c, dir.Path(diskhealth.ProbeFile), s.log, func(step event.Name, detail string) {
		c.Steps.Emit(s.tasks.ctx, event.Event{Operation: Operation, ID: s.id, Server: s.id, Step: step, Detail: detail})
	})
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start DB server %s: %w", s.id, err), s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// connect makes the clients. They follow the agency that this directory followed before.
func (s *Server) connect() error {
	web := network.NewHTTPClient(s.config.Network)
	origin, remember, err := agencyclient.Remembered(s.dir)
	if err != nil {
		return err
	}
	agency := agencyclient.New(agencyclient.Options{
		Endpoints: s.config.Agency, HTTP: web, Logger: s.log.Named("agency"), Origin: origin, Remember: remember,
	})
	s.cluster = cluster{web: web, agency: agency, cache: agencyclient.NewCache(agency, s.log.Named("cache")), peers: dbclient.New(web)}
	return nil
}

func (s *Server) start(ctx context.Context) error {
	if err := s.listen(); err != nil {
		return err
	}
	s.tasks.run("cache", s.cluster.cache.Run)
	s.tasks.run("heartbeat", s.heartbeat)
	s.tasks.run("http", s.watchHTTP)
	if err := agencyclient.Bootstrap(ctx, s.cluster.agency); err != nil {
		return fmt.Errorf("bootstrap the cluster: %w", err)
	}
	if err := s.openData(); err != nil {
		return err
	}
	if err := s.join(ctx); err != nil {
		return err
	}
	s.log.Info("serving", "id", s.id, "url", s.URL(), "epoch", s.known.epoch.Load(), "shards", len(s.data.host.Store().Names()))
	s.tasks.run("follower", s.reconciler().Run)
	return nil
}

func (s *Server) listen() error {
	l, err := s.config.Network.Listen(s.config.Listen)
	if err != nil {
		return err
	}
	if s.addr = s.config.Advertise; s.addr == "" {
		s.addr = l.Addr().String()
	}
	s.handler = api.New(api.Config{
		ID: s.id, Access: s.access, Snapshot: s.cluster.cache.Snapshot, Gate: s.gate, Reader: s.reader,
		MaxBodyBytes: s.config.MaxBodyBytes, Limits: s.config.HTTP, Status: s.status, Logger: s.log,
	})
	s.http = network.ServeListener(l, s.handler, network.ServerOptions{
		Logger: s.log.Named("http"), Grace: s.config.Timing.Shutdown,
		Advertise: s.addr, Names: []string{s.config.Listen}, Browsers: s.config.Browsers, Limits: s.config.HTTP, Class: api.ClassOf,
	})
	return nil
}

// heartbeat sends heartbeats and keeps the lease.
func (s *Server) heartbeat(ctx context.Context) error {
	return s.lease.Keep(ctx, lease.Config{
		ID: s.id, Agency: s.cluster.agency, Cache: s.cluster.cache, Disk: s.disk,
		Status: s.state, RebootID: s.known.reboot.Load, Registered: s.known.done,
		Every: s.config.Timing.Heartbeat, Timeout: s.config.Timing.Agency, Logger: s.log,
	})
}

func (s *Server) watchHTTP(ctx context.Context) error {
	select {
	case err := <-s.http.Err():
		return err
	case <-ctx.Done():
		return nil
	}
}

// mayLead is nil while this server may serve as a leader: it has its lease, and a disk that
// answers.
func (s *Server) mayLead() error {
	if hang := s.disk.Hang(); hang != nil {
		return apierror.New(apierror.NoLeader, "the disk of this server hangs %s: it leads nothing meanwhile", hang)
	}
	return s.lease.Check()
}

// state is what heartbeats say.
func (s *Server) state() string {
	switch err := s.access.State(); {
	case err == nil:
		return "SERVING"
	case errors.Is(err, apierror.ShuttingDown):
		return "SHUTDOWN"
	}
	return "STARTUP"
}

func (s *Server) status() api.Status {
	return api.Status{Addr: s.addr, State: s.state(), Hang: s.disk.Hang(), RebootID: s.known.reboot.Load(), Epoch: s.known.epoch.Load()}
}

// ID is the server's id, "PRMR-…"; it lives in the data directory.
func (s *Server) ID() string { return s.id }

// Addr is the advertised host:port.
func (s *Server) Addr() string { return s.addr }

// URL is "http://" and Addr.
func (s *Server) URL() string { return "http://" + s.addr }

// Err delivers at most one error: that the server can no longer work. Close it then.
func (s *Server) Err() <-chan error { return s.tasks.failed }

// Close stops the server: new requests are refused, those in flight are finished or cancelled,
// everything is synced, and no goroutine is left. Requests get until ctx ends, and at most
// Timing.Shutdown. A second call returns the same error.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closeErr = s.close(ctx) })
	return s.closeErr
}

func (s *Server) close(ctx context.Context) error {
	s.log.Info("stopping", "id", s.id)
	polite, cancel := context.WithTimeout(ctx, 2*s.config.Timing.Shutdown)
	defer cancel()
	var errs []error
	if t := s.data.transfers; t != nil {
		errs = append(errs, s.disk.unlessHangs("transfers", s.config.Timing.Shutdown, t.Close))
	}
	errs = append(errs, s.access.ShutForGood(polite, errStopping))
	if s.http != nil {
		errs = append(errs, s.http.Shutdown(ctx))
	}
	s.tasks.stop()
	tasks := s.disk.unlessHangs("tasks", s.config.Timing.Shutdown, s.tasks.group.Wait)
	errs = append(errs, tasks)
	// An engine that is closed under a request or a task is a crash. One that is left open is
	// not synced, which costs no more than a crash.
	if tasks == nil && s.access.Vacant() && s.data.host != nil {
		errs = append(errs, s.data.host.Unload(errStopping))
	}
	s.disk.watch.Close()
	errs = append(errs, s.dir.Close())
	s.cluster.web.CloseIdleConnections()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop DB server %s: %w", s.id, err)
	}
	s.log.Info("stopped", "id", s.id)
	return nil
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
