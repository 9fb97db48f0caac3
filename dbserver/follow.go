package dbserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/replica"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// trees are the parts of the agency's tree that decide what Plan asks of this
// server. The tree is immutable: the same pointers mean that nothing has changed.
type trees struct{ plan, collections, databases, epoch *node }

func treesIn(root *node) trees {
	return trees{root.At(keys.Plan), root.At(keys.CurrentCollections), root.At(keys.CurrentDatabases), root.At(keys.RestoreEpoch)}
}

// follow brings this server to where the agency wants it, whenever the agency's
// tree changes, again after a while when something failed, and now and then to
// look for what is left over. It alone opens and closes the engine between Start
// and Close.
func (s *Server) follow(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := ""
	for {
		snap := s.cache.Snapshot()
		err := s.catchUp(ctx, snap)
		if ctx.Err() != nil {
			return nil
		}
		last = s.complain(err, last)
		timer.Reset(s.config.Timing.Look)
		if err != nil {
			timer.Reset(s.config.Timing.Retry)
		}
		select {
		case <-s.cache.Changed(snap.Index):
		case <-timer.C:
		case <-s.woken: // the disk answers again
		case <-s.engineFailed():
			err := s.disk.data.env.Engine.Err()
			return errors.Join(err, s.access.shut(ctx, apierror.New(apierror.ServiceUnavailable, "%w", err)))
		case <-ctx.Done():
			return nil
		}
	}
}

// complain logs a trouble once, until it changes.
func (s *Server) complain(err error, last string) string {
	switch {
	case err == nil && last != "":
		s.log.Info("following the agency again")
	case err != nil && err.Error() != last && !errors.Is(err, errOutdated):
		s.log.Warn("following the agency", "error", err)
	}
	if err == nil || errors.Is(err, errOutdated) {
		return ""
	}
	return err.Error()
}

// engineFailed never fires while no engine is open.
func (s *Server) engineFailed() <-chan struct{} {
	if s.disk.data == nil {
		return nil
	}
	return s.disk.data.env.Engine.Failed()
}

// catchUp does everything that one state of the agency asks for. Each part may be
// done any number of times.
func (s *Server) catchUp(ctx context.Context, snap agencyclient.Snapshot) error {
	root := snap.Root
	if err := s.reopen(ctx); err != nil {
		return err
	}
	switch epoch := epochIn(root); {
	case epoch < s.epoch.Load():
		return nil // the cache is behind what has been read at the start
	case epoch > s.epoch.Load() || !s.disk.ready:
		if err := s.swap(ctx, root); err != nil {
			return fmt.Errorf("change to epoch %d: %w", epoch, err)
		}
	}
	return errors.Join(s.reportEpoch(ctx, root), s.followPlan(ctx, snap), s.tidy(ctx, root))
}

// reportEpoch tells the cluster which epoch's data is open here.
func (s *Server) reportEpoch(ctx context.Context, root *node) error {
	key := keys.ServerKnown(s.id) + "/epoch"
	if n, ok := root.At(key).Int(); ok && uint64(n) == s.epoch.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timing.Agency)
	defer cancel()
	_, err := s.agency.Write(ctx, agencyclient.Tx{
		Ops: map[string]any{key: agencyclient.Set(s.epoch.Load()), keys.CurrentVersion: agencyclient.Increment(1)},
		Pre: map[string]any{keys.ServerKnown(s.id) + "/rebootId": agencyclient.Old(s.reboot.Load())},
	})
	if err != nil {
		return fmt.Errorf("report epoch %d: %w", s.epoch.Load(), err)
	}
	return nil
}

// followPlan makes and drops shards and tells Current about it.
func (s *Server) followPlan(ctx context.Context, snap agencyclient.Snapshot) error {
	now := treesIn(snap.Root)
	if now == s.disk.seen && !s.disk.data.over() {
		s.lease.hasFollowed(snap.Index)
		return nil
	}
	w, err := s.compare(snap.Root)
	if err != nil {
		return err
	}
	err = s.carryOut(w)
	s.lease.hasFollowed(snap.Index) // whatever failed, what is led here is right
	if err != nil {
		return err
	}
	if err := s.send(ctx, w.reports); err != nil {
		return err
	}
	s.disk.seen = now
	return nil
}

// compare says what Plan asks of this server. Before the cluster is there, nothing.
func (s *Server) compare(root *node) (work, error) {
	if !root.At(keys.InitDone).Exists() || !root.At(keys.Plan).Exists() {
		return work{}, nil
	}
	return planWork(view{root: root, me: s.id, epoch: s.epoch.Load(), shards: s.disk.data.names()})
}

func (s *Server) carryOut(w work) error {
	var errs []error
	for _, name := range w.create {
		errs = append(errs, s.disk.data.create(name))
	}
	for _, name := range w.drop {
		s.log.Info("dropping shard", "shard", name)
		errs = append(errs, s.disk.data.drop(name))
	}
	s.disk.data.assign(s.asLeader(s.disk.data), w.places)
	return errors.Join(errs...)
}

// asHome is this server as its replicas see it, but for the epoch.
func (s *Server) asHome() replica.Home {
	return replica.Home{ID: s.id, Reboot: s.reboot.Load, Cache: s.cache, Logger: s.log.Named("replica")}
}

// asLeader is this server as its leaders see it.
func (s *Server) asLeader(d *data) replica.Server {
	return replica.Server{
		ID: s.id, Reboot: s.reboot.Load, Epoch: d.epoch, Agency: s.agency, Cache: s.cache, Peers: s.peers,
		Lease: s.mayLead, Enter: s.gate.Enter, Sync: d.env.Engine.SyncAll,
		Logger: s.log.Named("replica"), Steps: s.config.Steps, Timing: s.config.Timing.Replica.WithDefaults(),
	}
}

// send writes reports. One whose precondition failed is out of date: the next
// state of the agency says what is right.
func (s *Server) send(ctx context.Context, reports []agencyclient.Tx) error {
	if len(reports) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timing.Agency)
	defer cancel()
	indices, err := s.agency.WriteAll(ctx, reports...)
	if err != nil {
		return fmt.Errorf("report to Current: %w", err)
	}
	for _, i := range indices {
		if i == 0 {
			return fmt.Errorf("report to Current: %w", errOutdated)
		}
	}
	return nil
}

var errOutdated = errors.New("meanwhile Plan has changed")

// tidy settles pending pieces and staged restores whose backup is committed or
// given up, and removes the pieces of deleted backups. The cache only says when to look; the agency itself decides.
func (s *Server) tidy(ctx context.Context, root *node) error {
	seen, err := lockStateIn(root, s.id)
	if err != nil {
		return err
	}
	pending, err := s.pieces.Load().Attempts.Pending()
	if err != nil {
		return fmt.Errorf("list pending pieces: %w", err)
	}
	staged, err := s.pieces.Load().Restores.Staged()
	if err != nil {
		return err
	}
	unsettled := len(seen.deleted) > 0
	for _, p := range pending {
		unsettled = unsettled || backup.FateOf(p.Nonce, seen.committed[p.ID], seen.holder) != backup.Keep
	}
	for _, r := range staged {
		unsettled = unsettled || fateOfStaged(r, seen) != backup.Keep
	}
	if !unsettled {
		return nil
	}
	return s.settlePieces(ctx)
}

// settlePieces publishes or removes what is pending, and removes staged restores
// that nobody will commit, and the pieces of deleted backups.
func (s *Server) settlePieces(ctx context.Context) error {
	leave, err := s.naming.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	store := s.pieces.Load()
	// The agency is asked after the folders were listed: what is found was begun
	// under a lock that the answer knows of.
	err = store.Attempts.Resolve(ctx, func(ctx context.Context, id, nonce string) (backup.Fate, error) {
		lock, err := s.readLock(ctx)
		return backup.FateOf(nonce, lock.committed[id], lock.holder), err
	})
	staged, listErr := store.Restores.Staged()
	errs := []error{err, listErr}
	for _, r := range staged {
		lock, err := s.readLock(ctx)
		if failpoint.Off("staged-by-agency") {
			lock, err = lockStateIn(s.cache.Snapshot().Root, s.id)
		}
		if err == nil && fateOfStaged(r, lock) == backup.Remove {
			err = store.Restores.Unstage(ctx, dbclient.UnstageRequest{Epoch: r.Epoch, Nonce: r.Nonce})
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.removeDeleted(ctx))...)
}
