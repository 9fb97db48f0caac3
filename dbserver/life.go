package dbserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
	"stasis/dbserver/transfer"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/datadir"
	"stasis/internal/failpoint"
	"stasis/internal/version"
)

func (s *Server) openPieces() error {
	store, err := backup.Open(backup.Config{
		FS: s.config.FS, Dir: s.config.Dir, ServerID: s.id, Version: version.API,
		Logger: s.log.Named("backup"), Engine: s.config.Engine,
	})
	if err != nil {
		return err
	}
	if err := datadir.CheckSameFileSystem(s.config.FS, s.config.Dir, s.config.FS.PathJoin(s.config.Dir, "backups")); err != nil {
		return err
	}
	s.pieces.Store(store)
	s.moves.Store(transfer.NewManager(transfer.Config{
		Server: s.id, RebootID: s.reboot.Load, Pieces: store, Remotes: s.config.Remotes, Own: s.addresses, Agency: s.agency, Watch: s.cache,
		Logger: s.log.Named("transfer"), Timing: s.config.Timing.Transfer,
	}))
	return nil
}

// join opens the data that belongs to the cluster's epoch, registers, and serves.
func (s *Server) join(ctx context.Context) error {
	for {
		snap, err := s.cache.Sync(ctx)
		if err != nil {
			return err
		}
		if err := s.load(ctx, snap.Root); err != nil {
			return err
		}
		if err := s.settlePieces(ctx); err != nil {
			return err
		}
		comeback, err := s.comeBack(snap.Root)
		if err != nil {
			return err
		}
		reboot, err := agencyclient.Register(ctx, s.agency, agencyclient.Registration{
			ID: s.id, Role: agencyclient.DBServer, Endpoint: "tcp://" + s.Addr(), AdvertisedEndpoint: "",
			Host: hostOf(s.Addr()), Engine: "rocksdb", Epoch: s.epoch.Load(), Comeback: comeback,
		})
		if err == nil {
			s.reboot.Store(reboot)
			close(s.lease.registered)
			s.disk.ready = true
			s.access.open(s.disk.data)
			return nil
		}
		if !errors.Is(err, agencyclient.ErrEpochMoved) && !errors.Is(err, agencyclient.ErrDeletedMeanwhile) {
			return fmt.Errorf("register: %w", err)
		}
		if err := s.unload(); err != nil {
			return err
		}
	}
}

// load settles what an earlier process left, and opens the engine, which must
// hold the epoch that root says. No engine is open before.
func (s *Server) load(ctx context.Context, root *node) error {
	lock, err := lockStateIn(root, s.id)
	if err != nil {
		return err
	}
	swapped, err := s.settleStaged(ctx, lock)
	if err != nil {
		return err
	}
	e, err := s.openEngine(ctx, root, lock)
	if err != nil {
		return err
	}
	if s.disk.data, err = newData(e, s.disk.clock, s.asHome()); err != nil {
		return errors.Join(err, e.Close())
	}
	if n := len(s.disk.data.names()); n > 0 && !root.At(keys.ServerKnown(s.id)).Exists() { // to follow its Plan would be to drop them
		return fmt.Errorf("there are %d shards here, but the agency does not know %s: it has lost its data, or is another cluster's", n, s.id)
	}
	s.epoch.Store(e.Epoch())
	if swapped {
		s.log.Info("engine swapped", "epoch", e.Epoch(), "backup", lock.restore.BackupID, "previous", lock.restore.Previous)
	}
	return nil
}

// unload closes the engine. Nobody is inside.
func (s *Server) unload() error {
	d := s.disk.data
	s.disk.data, s.disk.ready = nil, false
	if d == nil {
		return nil
	}
	return d.close()
}

// settleStaged swaps a committed restore in and removes given-up ones. Undecided
// ones stay.
func (s *Server) settleStaged(ctx context.Context, lock lockState) (swapped bool, err error) {
	err = s.pieces.Load().Restores.ResolveStaged(ctx, func(ctx context.Context, r backup.Staged) (backup.Fate, error) {
		fate := fateOfStaged(r, lock)
		if fate == backup.Finish {
			swapped = true
		}
		if fate == backup.Remove && !failpoint.Off("staged-is-asked-again") { // unless it was staged after lock was read
			now, err := s.readLock(ctx)
			if err != nil || fateOfStaged(r, now) != backup.Remove {
				return backup.Keep, err
			}
		}
		return fate, nil
	})
	return swapped, err
}

// fateOfStaged is FateOf for restores: the epoch belongs to the nonce.
func fateOfStaged(r backup.Staged, lock lockState) backup.Fate {
	committed := ""
	if lock.restore.Epoch == r.Epoch && lock.epoch == r.Epoch {
		committed = lock.restore.Nonce
	}
	return backup.FateOf(r.Nonce, committed, lock.holder)
}

// openEngine opens the live engine, or makes the first one.
func (s *Server) openEngine(ctx context.Context, root *node, lock lockState) (*engine.Engine, error) {
	known := root.At(keys.ServerKnown(s.id)).Exists()
	options := s.engineOptions()
	if options.MustExist = known; known {
		if _, err := s.config.FS.Stat(s.pieces.Load().EngineDir()); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the cluster knows %s, but its engine %s is missing", s.id, s.pieces.Load().EngineDir())
		}
	}
	e, err := engine.Open(s.pieces.Load().EngineDir(), options)
	if err != nil {
		return nil, err
	}
	switch open := e.Epoch(); {
	case open == lock.epoch:
		return e, nil
	case open > lock.epoch:
		err = fmt.Errorf("engine has epoch %d, but the cluster's is %d: the agency is older than this data, or another cluster's", open, lock.epoch)
	case !known: // new here, whatever has been restored before
		if err = e.SetEpoch(lock.epoch, ""); err == nil {
			return e, nil
		}
	default:
		return s.replaceUnstaged(ctx, e, lock)
	}
	return nil, errors.Join(err, e.Close())
}

func (s *Server) engineOptions() engine.Options {
	o := s.config.Engine
	o.FS, o.Logger = s.config.FS, s.log.Named("engine")
	o.Health, o.SyncBound = s.health, s.config.Timing.Unsynced
	return o
}

// replaceUnstaged sets aside the engine of a server that a restore passed over:
// it gets an empty one. If the restore did give it a piece, data is missing, and
// that is an error.
func (s *Server) replaceUnstaged(ctx context.Context, e *engine.Engine, lock lockState) (*engine.Engine, error) {
	open, r := e.Epoch(), lock.restore
	shards, err := shard.Names(e)
	if _, member := r.Servers[s.id]; err == nil && !member && r.Epoch == lock.epoch && len(shards) == 0 {
		if err = e.SetEpoch(lock.epoch, ""); err == nil { // it joined meanwhile: nothing to set aside
			return e, nil
		}
	}
	if err := errors.Join(err, e.Close()); err != nil {
		return nil, err
	}
	if source, given := r.Servers[s.id]; given && source != "" || r.Epoch != lock.epoch {
		return nil, fmt.Errorf("engine has epoch %d, the cluster epoch %d, and nothing is staged for the restore of %s", open, lock.epoch, r.BackupID)
	}
	s.log.Warn("a restore gave this server nothing: going on with an empty engine", "epoch", lock.epoch, "previous", r.Previous)
	err = s.pieces.Load().Restores.Stage(ctx, dbclient.StageRequest{
		ID: r.BackupID, Empty: true, Epoch: r.Epoch, Nonce: r.Nonce, FailsafeID: r.Previous, FailsafeTime: r.Since,
		NrDBServers: len(r.Servers), FailsafeDump: []byte("{}"),
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.pieces.Load().Restores.FinishSwap(r.Epoch, r.Nonce); err != nil {
		return nil, err
	}
	options := s.engineOptions()
	options.MustExist = true
	return engine.Open(s.pieces.Load().EngineDir(), options)
}

// swap follows the cluster to a newer epoch: nobody is let in any more, the old
// engine is set aside, the staged one takes its place, and requests of the new
// epoch are let in. A failure leaves data shut; it is tried again.
func (s *Server) swap(ctx context.Context, root *node) error {
	lock, err := lockStateIn(root, s.id)
	if err != nil {
		return err
	}
	swapping := event.Event{Operation: keys.OperationRestore, ID: lock.restore.BackupID, Server: s.id}
	swapping.Step = event.EngineSwapping
	s.config.Steps.Emit(ctx, swapping)
	why := apierror.New(apierror.ServiceUnavailable, "%s is changing to the data of epoch %d", s.id, lock.epoch)
	if err := s.access.shut(ctx, why); err != nil {
		return err
	}
	if err := s.unload(); err != nil {
		return err
	}
	if err := s.load(ctx, root); err != nil {
		return err
	}
	w, err := s.compare(root)
	if err != nil {
		return err
	}
	if err := s.carryOut(w); err != nil {
		return err
	}
	s.disk.ready = true
	s.access.open(s.disk.data)
	swapping.Step = event.EngineSwapped
	s.config.Steps.Emit(ctx, swapping)
	return nil
}
