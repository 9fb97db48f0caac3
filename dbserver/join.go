package dbserver

import (
	"context"
	"errors"
	"fmt"
	"net"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/api"
	"stasis/dbserver/backup"
	"stasis/dbserver/engine"
	"stasis/dbserver/hosting"
	"stasis/dbserver/pieces"
	"stasis/dbserver/reconcile"
	"stasis/dbserver/replica"
	"stasis/dbserver/store"
	"stasis/dbserver/transfer"
	"stasis/event"
	"stasis/internal/datadir"
	"stasis/internal/version"
)

// openData makes the parts that work on the data directory, and has requests on pieces
// answered.
func (s *Server) openData() error {
	c := s.config
	files, err := backup.Open(backup.Config{
		FS: c.FS, Dir: c.Dir, ServerID: s.id, Version: version.API,
		Logger: s.log.Named("backup"), Engine: c.Engine,
	})
	if err != nil {
		return err
	}
	if err := datadir.CheckSameFileSystem(c.FS, c.Dir, c.FS.PathJoin(c.Dir, "backups")); err != nil {
		return err
	}
	s.data.transfers = transfer.NewManager(transfer.Config{
		Server: s.id, RebootID: s.known.reboot.Load, Pieces: files, Remotes: c.Remotes, Own: s.addresses().all, Agency: s.cluster.agency, Watch: s.cluster.cache,
		Steps: c.Steps, Logger: s.log.Named("transfer"), Timing: c.Timing.Transfer, Wall: c.Wall,
	})
	s.data.pieces = pieces.NewManager(pieces.Config{
		ID: s.id, Store: files, Downloads: s.data.transfers, Reader: s.reader, Agency: s.cluster.agency, Timeout: c.Timing.Agency,
		Epoch: s.known.epoch.Load, Logger: s.log,
	})
	s.data.host = hosting.New(hosting.Config{
		ID: s.id, FS: c.FS, Engine: s.engineOptions(), Dir: files.EngineDir(), Staged: files.Restores, Pieces: s.data.pieces, Access: s.access,
		Home:  replica.Home{ID: s.id, Reboot: s.known.reboot.Load, Cache: s.cluster.cache, Logger: s.log.Named("replica")},
		Epoch: &s.known.epoch, Steps: c.Steps, Logger: s.log, Wall: c.Wall,
	})
	s.handler.Open(&api.Backups{
		ID: s.id, Attempts: files.Attempts, Published: files.Published, Pieces: s.data.pieces, Transfers: s.data.transfers, Gate: s.gate, Reader: s.reader,
		RebootID: s.known.reboot.Load, Epoch: s.known.epoch.Load, Steps: c.Steps,
	})
	return nil
}

func (s *Server) addresses() *addresses {
	return &addresses{
		own: s.addr, started: s.config.Agency, cache: s.cluster.cache,
		agents: newAgents(s.cluster.agency, s.config.Timing.Agency, s.log),
	}
}

func (s *Server) engineOptions() engine.Options {
	o := s.config.Engine
	o.FS, o.Logger = s.config.FS, s.log.Named("engine")
	o.Health, o.SyncBound = s.disk.watch, s.config.Timing.Unsynced
	o.Scrub = &engine.Scrub{Hold: s.reader.BackupRuns, Wall: s.config.Wall, Found: func(table string, why error) {
		s.disk.emit(event.TableDamaged, table+" "+why.Error())
	}}
	return o
}

// join opens the data that belongs to the cluster's epoch, registers, and serves. If the epoch
// moves meanwhile, or a backup is deleted that this server may have a piece of, it begins
// again.
func (s *Server) join(ctx context.Context) error {
	for {
		snap, err := s.cluster.cache.Sync(ctx)
		if err != nil {
			return err
		}
		if err := s.data.host.Load(ctx, snap.Root); err != nil {
			return err
		}
		if err := s.data.pieces.Resolve(ctx); err != nil {
			return err
		}
		comeback, err := s.data.pieces.Rejoin(snap.Root)
		if err != nil {
			return err
		}
		reboot, err := agencyclient.Register(ctx, s.cluster.agency, agencyclient.Registration{
			ID: s.id, Process: keys.ProcessOf(s.config.Name, s.config.PID, s.config.Dir), Role: agencyclient.DBServer, Endpoint: "tcp://" + s.addr, AdvertisedEndpoint: "",
			Host: hostOf(s.addr), Engine: "rocksdb", Epoch: s.known.epoch.Load(), Comeback: comeback,
		})
		if err == nil {
			s.known.reboot.Store(reboot)
			close(s.known.done)
			s.data.host.Serve()
			return nil
		}
		if !errors.Is(err, agencyclient.ErrEpochMoved) && !errors.Is(err, agencyclient.ErrDeletedMeanwhile) {
			return fmt.Errorf("register: %w", err)
		}
		if err := s.data.host.Unload(errStopping); err != nil {
			return err
		}
	}
}

func (s *Server) reconciler() *reconcile.Reconciler {
	t := s.config.Timing
	return reconcile.New(reconcile.Config{
		ID: s.id, Agency: s.cluster.agency, Cache: s.cluster.cache, Lease: s.lease, Host: s.data.host, Access: s.access, Pieces: s.data.pieces,
		Disk: s.disk.watch, Woken: s.disk.woken, Leading: s.leading, RebootID: s.known.reboot.Load, Epoch: s.known.epoch.Load,
		Reopened: func() { s.disk.emit(event.ShardsReopened, "") }, Logger: s.log,
		Retry: t.Retry, Look: t.Look, Timeout: t.Agency,
	})
}

// leading is this server as its leaders see it.
func (s *Server) leading(data *store.Store) replica.Server {
	return replica.Server{
		ID: s.id, Reboot: s.known.reboot.Load, Epoch: data.Epoch(), Agency: s.cluster.agency, Cache: s.cluster.cache, Peers: s.cluster.peers,
		Lease: s.mayLead, Enter: s.gate.Enter, Inherit: s.ledger.Inherit, Ended: s.ledger.Ended, Sync: data.Engine().SyncAll,
		Logger: s.log.Named("replica"), Steps: s.config.Steps, Timing: s.config.Timing.Replica,
	}
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
