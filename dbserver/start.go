package dbserver

import (
	"context"
	"errors"
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/dbserver/api"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/diskhealth"
	"stasis/dbserver/gate"
	"stasis/dbserver/lease"
	"stasis/dbserver/pieces"
	"stasis/dbserver/store"
	"stasis/dbserver/transaction"
	"stasis/event"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

// Start opens the data directory, joins the cluster and serves; it returns when data is
// served. It waits for an agency as long as ctx allows. If ctx ends before, so does the start;
// afterwards ctx has no effect.
func Start(ctx context.Context, c Config) (*Server, error) {
	c = c.withDefaults()
	dir, err := datadir.Open(c.FS, c.Dir, datadir.DBServer, nil)
	if err != nil {
		return nil, err
	}
	c.Steps = event.From(dir.ID(), c.Steps)
	s := &Server{
		config: c, log: c.Logger, id: dir.ID(), dir: dir, lease: lease.New(c.Clock),
		gate: gate.New(c.Logger.Named("gate")), access: store.NewAccess(errStarting), tasks: newTasks(c.Logger),
	}
	s.known.done = make(chan struct{})
	if err := s.connect(); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	s.ledger = transaction.New(transaction.Config{
		ID: s.id, Gate: s.gate, Access: s.access, Cache: s.cluster.cache, Peers: s.cluster.peers.Transactions(), Logger: s.log.Named("transactions"),
		Limits: c.Transactions, Timing: c.Timing.Transaction,
	})
	s.reader = pieces.NewReader(s.id, s.cluster.agency, s.cluster.cache, c.Timing.Agency)
	s.disk = watchDisk(c, dir.Path(diskhealth.ProbeFile), s.log, func(step event.Name, detail string) {
		c.Steps.Emit(s.tasks.ctx, event.Event{Operation: event.DBServer, ID: s.id, Server: s.id, Step: step, Detail: detail})
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
		Endpoints: s.config.Agency, HTTP: web, Logger: s.log.Named("agency"), Origin: origin, Remember: remember, Wall: s.config.Wall,
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
	s.tasks.run("transactions", s.ledger.Run)
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
		ID: s.id, Access: s.access, Snapshot: s.cluster.cache.Snapshot, Gate: s.gate, Transactions: s.ledger, Reader: s.reader,
		MaxBodyBytes: s.config.MaxBodyBytes, Limits: s.config.HTTP, Status: s.status, Steps: s.config.Steps, Logger: s.log, Wall: s.config.Wall,
	})
	s.http = network.ServeListener(l, s.handler, network.ServerOptions{
		Refuse: s.handler.Refuse,
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
