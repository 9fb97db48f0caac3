package dbserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/diskhealth"
	"stasis/dbserver/engine"
	"stasis/dbserver/gate"
	"stasis/dbserver/replica"
	"stasis/dbserver/shard"
	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/storage"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

// node is a value in the agency's tree, snapshot the whole tree.
type (
	node     = agencyclient.Node
	snapshot = agencyclient.Snapshot
)

// Config says how to run one DB server.
type Config struct {
	Dir          string          // data directory; created if missing
	FS           vfs.FS          // vfs.Default if nil
	Listen       string          // host:port; port 0 lets the network choose
	Advertise    string          // host:port that others reach; what was listened on if empty
	Agency       []string        // http://host:port of the agents
	Network      network.Network // network.TCP() if nil
	Browsers     network.Browsers
	HTTP         network.Limits // of what requests hold, all together
	MaxBodyBytes int64          // of one request with documents; 256 MiB
	Engine       engine.Options // cache and memtable sizes; FS and Logger are filled in
	Logger       hclog.Logger
	Steps        event.Sink
	Timing       Timing
	Clock        Clock           // that the lease is measured by
	Remotes      storage.Remotes // of remote storage; nil: uploads and downloads are refused
}

// Timing holds the server's own intervals; a zero field gets its default.
type Timing struct {
	Heartbeat time.Duration // between two heartbeats; 1 s
	Retry     time.Duration // after something failed that is tried again; 1 s
	Look      time.Duration // longest between two looks at what may be left over; 10 s
	Agency    time.Duration // bound on one question to the agency; 5 s
	Shutdown  time.Duration // bound on what Close waits for requests in flight; 5 s
	DiskHang  time.Duration // age of an unfinished operation from which the disk hangs; three tenths of the grace period
	Probe     time.Duration // between two probes of a disk on which nothing is synced; 1 s
	Unsynced  time.Duration // age of the oldest write not on disk from which new ones are refused; 1 s
	Transfer  transfer.Timing
	Replica   replica.Timing
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Network == nil {
		c.Network = network.TCP()
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Clock = c.Clock.withDefaults()
	c.HTTP = c.HTTP.WithDefaults()
	if c.MaxBodyBytes <= 0 {
		c.MaxBodyBytes = maxDocumentsBody
	}
	orElse := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orElse(&c.Timing.Heartbeat, time.Second)
	orElse(&c.Timing.Retry, time.Second)
	orElse(&c.Timing.Look, 10*time.Second)
	orElse(&c.Timing.Agency, 5*time.Second)
	orElse(&c.Timing.Shutdown, 5*time.Second)
	orElse(&c.Timing.Probe, time.Second)
	orElse(&c.Timing.Unsynced, engine.DefaultSyncBound)
	return c
}

// What a request is told while data is shut. Shared: never changed.
var (
	errStarting error = apierror.New(apierror.StartingUp, "server is starting")
	errStopping error = apierror.New(apierror.ShuttingDown, "server is shutting down")
)

// Server is one running DB server. Its methods may be called from any goroutine.
type Server struct {
	config Config
	log    hclog.Logger
	dir    *datadir.Dir
	id     string
	addr   string // that others reach

	cluster
	health  *diskhealth.Watch
	woken   chan struct{} // holds a token when the disk has begun or ceased to hang
	gate    *gate.Gate
	access  *access
	pieces  atomic.Pointer[backup.Store] // nil until opened
	staging naming                       // one stage or unstage at a time
	naming  naming
	moves   atomic.Pointer[transfer.Manager]
	disk    disk
	tasks
}

// cluster is this server's place in it.
type cluster struct {
	web    *http.Client // to the agency and to other DB servers
	agency *agencyclient.Client
	cache  *agencyclient.Cache
	peers  *dbclient.Client // other DB servers
	epoch  atomic.Uint64    // of the engine that is open
	reboot atomic.Uint64
	lease  lease
	agents agents
}

// disk is touched by Start, then by the follower, then by Close, never by two.
type disk struct {
	clock *shard.Clock
	data  *data // nil while no engine is open
	ready bool  // data may be served
	seen  trees // that have been followed
}

// tasks are the server's goroutines.
type tasks struct {
	http     *network.Server
	group    sync.WaitGroup
	ctx      context.Context // of the tasks
	stop     context.CancelFunc
	failed   chan error
	closing  sync.Once
	closeErr error
}

// Start opens the data directory, joins the cluster and serves; it returns when
// data is served. It waits for an agency as long as ctx allows. Ending ctx early
// ends the start; afterwards it means nothing.
func Start(ctx context.Context, c Config) (*Server, error) {
	c = c.withDefaults()
	dir, err := datadir.Open(c.FS, c.Dir, datadir.DBServer, nil)
	if err != nil {
		return nil, err
	}
	s := &Server{
		config: c, log: c.Logger, id: dir.ID(), dir: dir,
		gate: gate.New(c.Logger.Named("gate")), access: newAccess(errStarting), disk: disk{clock: &shard.Clock{}}, naming: make(naming, 1), staging: make(naming, 1),
	}
	s.web = network.NewHTTPClient(c.Network)
	origin, remember, err := agencyclient.Remembered(dir)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	s.agency = agencyclient.New(agencyclient.Options{Endpoints: c.Agency, HTTP: s.web, Logger: c.Logger.Named("agency"), Origin: origin, Remember: remember})
	s.cache = agencyclient.NewCache(s.agency, c.Logger.Named("cache"))
	s.peers = dbclient.New(s.web)
	s.lease.registered = make(chan struct{})
	s.lease.clock = c.Clock
	s.agents = newAgents()
	s.failed = make(chan error, 1)
	s.woken = make(chan struct{}, 1)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.watchDisk()
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start DB server %s: %w", s.id, err), s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	if err := s.listen(); err != nil {
		return err
	}
	s.run("cache", s.cache.Run)
	s.run("heartbeat", s.beat)
	s.run("http", s.watchHTTP)
	if err := agencyclient.Bootstrap(ctx, s.agency); err != nil {
		return fmt.Errorf("bootstrap the cluster: %w", err)
	}
	if err := s.openPieces(); err != nil {
		return err
	}
	if err := s.join(ctx); err != nil {
		return err
	}
	s.log.Info("serving", "id", s.id, "url", s.URL(), "epoch", s.epoch.Load(), "shards", len(s.disk.data.names()))
	s.run("follower", s.follow)
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
	s.http = network.ServeListener(l, s.routes(), network.ServerOptions{
		Logger: s.log.Named("http"), Grace: s.config.Timing.Shutdown,
		Advertise: s.addr, Names: []string{s.config.Listen}, Browsers: s.config.Browsers, Limits: s.config.HTTP, Class: classOf,
	})
	return nil
}

// run starts a task. One that ends before it is told to has failed.
func (s *Server) run(name string, f func(context.Context) error) {
	s.group.Go(func() {
		if err := f(s.ctx); err != nil && s.ctx.Err() == nil {
			s.fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// fail tells the owner that this server can no longer work; the first reason counts.
func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
		s.log.Error("server failed", "error", err)
	default:
	}
}

func (s *Server) watchHTTP(ctx context.Context) error {
	select {
	case err := <-s.http.Err():
		return err
	case <-ctx.Done():
		return nil
	}
}

// ID is the server's id, "PRMR-…"; it lives in the data directory.
func (s *Server) ID() string { return s.id }

// Addr is the advertised host:port.
func (s *Server) Addr() string { return s.addr }

// URL is "http://" and Addr.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Err delivers at most one error: that the server can no longer work. Close it then.
func (s *Server) Err() <-chan error { return s.failed }

// Close stops: new requests are refused, those in flight are finished or
// cancelled, everything is synced, no goroutine is left. Requests get until ctx
// ends, and at most Timing.Shutdown. Closing again gives the same answer.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closeErr = s.close(ctx) })
	return s.closeErr
}

func (s *Server) close(ctx context.Context) error {
	s.log.Info("stopping", "id", s.id)
	polite, cancel := context.WithTimeout(ctx, 2*s.config.Timing.Shutdown)
	defer cancel()
	var errs []error
	if m := s.moves.Load(); m != nil {
		errs = append(errs, s.unlessDiskHangs("transfers", m.Close))
	}
	errs = append(errs, s.access.shutForGood(polite, errStopping))
	if s.http != nil {
		errs = append(errs, s.http.Shutdown(ctx))
	}
	s.stop()
	tasks := s.unlessDiskHangs("tasks", s.group.Wait)
	errs = append(errs, tasks)
	if tasks == nil && s.access.vacant() { // otherwise better not synced than closed under a request
		errs = append(errs, s.unload())
	}
	s.health.Close()
	errs = append(errs, s.dir.Close())
	s.web.CloseIdleConnections()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop DB server %s: %w", s.id, err)
	}
	s.log.Info("stopped", "id", s.id)
	return nil
}

// status is what heartbeats say.
func (s *Server) status() string {
	switch err := s.access.state(); {
	case err == nil:
		return "SERVING"
	case errors.Is(err, apierror.ShuttingDown):
		return "SHUTDOWN"
	}
	return "STARTUP"
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
