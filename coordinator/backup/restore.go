package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/step"
)

// restore is a restore under way. Its fields are filled in by its steps, in order.
type restore struct {
	*operation
	request RestoreRequest

	lease    *lease
	cluster  *cluster
	failsafe moment // names the engines that are set aside
	found    *pieceSet
	plan     *storedPlan
	planned  map[string]plannedShard // of the plan, with the servers of the backup
	record   keys.Restore
}

// Restore brings the whole cluster back to a backup. When it returns an error
// nothing has changed, unless the error says that the restore was committed (then
// it completes by itself) or that its outcome is unknown. When ctx ends before the
// commit, everything is taken back; after it, the restore goes on without ctx.
func (s *Service) Restore(ctx context.Context, r RestoreRequest) (RestoreResult, error) {
	if r.ID == "" {
		return RestoreResult{}, apierror.New(apierror.BadParameter, "restore: id is missing")
	}
	r.Timeout = timeoutOrDefault(r.Timeout)
	if r.Deadline < 0 {
		return RestoreResult{}, badDeadline("restore")
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return RestoreResult{}, err
	}
	defer leave()
	op := &restore{operation: s.begin(keys.OperationRestore, r.ID), request: r}
	defer func() { op.lease.stop() }()
	limited, done := withDeadline(ctx, r.Deadline)
	defer done()
	if err := op.decide(limited); err != nil {
		err = restoreError(op.overdue(inContext(limited, err)))
		op.rollBack(ctx, err)
		op.log.Warn("restore failed, nothing has changed", "id", r.ID, "error", err)
		return RestoreResult{}, err
	}
	if err := op.finish(ctx); err != nil {
		op.log.Warn("restore committed but not complete yet", "id", r.ID, "error", err)
		return RestoreResult{}, err
	}
	op.log.Info("restored", "id", r.ID, "previous", op.record.Previous, "epoch", op.record.Epoch)
	return RestoreResult{Previous: op.record.Previous, IsCluster: true}, nil
}

// decide is everything up to the commit point.
func (r *restore) decide(ctx context.Context) error {
	held, l, err := r.acquire(ctx, r.began.Add(r.request.Timeout), func() string { return r.request.ID })
	if err != nil {
		return err
	}
	r.lease = l
	err = r.steps.run(held, []stage{
		{"read Plan", r.readPlan},
		{"collect pieces", r.collect},
		{"match servers", r.match},
		{"stage", r.stageAll},
		{"commit", r.commit},
	})
	if err != nil {
		return inContext(held, err)
	}
	return nil
}

// restoreError gives an error that has no number the one of a failed restore; the
// agency lock's trouble keeps its own.
func restoreError(err error) error {
	var e *apierror.Error
	if !errors.As(err, &e) || e.Num == apierror.ConnectionLost || e.Num == apierror.WrongEpoch {
		return apierror.New(apierror.BackupRestore, "restore: %w", err)
	}
	return err
}

func (r *restore) readPlan(ctx context.Context) (err error) {
	r.emit(ctx, step.Event{Step: step.PlanDump})
	r.cluster, err = r.readCluster(ctx, r.lease.index)
	return err
}

// collect lists the backup's pieces on every server, with what is stored beside
// them. All servers must answer: each of them has to take part.
func (r *restore) collect(ctx context.Context) error {
	for {
		r.failsafe = now()
		wanted := []string{r.id, r.failsafe.id(failsafeLabel)}
		lists := ask(ctx, r.cluster.members, r.Timing.Deaf, anyError, func(ctx context.Context, m member) (dbserver.ListResponse, error) {
			return r.listOn(ctx, m, dbserver.ListRequest{IDs: wanted, WithDetails: true})
		})
		if err := firstError(lists); err != nil {
			return unavailable("all DB servers are needed for a restore", err)
		}
		r.cluster.hide(lists)
		if r.found = collectPieces(lists, r.id); r.id == wanted[1] || countPieces(lists, wanted[1]) == 0 {
			break
		}
		if err := pause(ctx, time.Until(r.failsafe.Add(time.Second))); err != nil { // one failsafe a second
			return err
		}
	}
	commit, committed := r.cluster.commits[r.id]
	if len(r.found.pieces) == 0 && !committed {
		return apierror.New(apierror.NotFound, "there is no backup %s", r.id)
	}
	plan, err := r.found.examine(commit)
	if err != nil {
		return apierror.New(apierror.BackupRestore, "backup %s: %w", r.id, err)
	}
	r.plan = plan
	if r.request.IgnoreVersion {
		return nil
	}
	for source, p := range r.found.pieces {
		if err := checkVersion(p.Version, r.Version); err != nil {
			return apierror.New(apierror.BackupRestore, "piece of %s: %w", source, err)
		}
	}
	return nil
}

// match says which server takes which piece, and rewrites the stored Plan for it.
func (r *restore) match(ctx context.Context) error {
	sources, err := Match(r.plan.DBServers, ids(r.cluster.members))
	if err != nil {
		return err
	}
	for _, now := range ids(r.cluster.members) {
		source := sources[now]
		if source != "" && r.found.holders[source] != now {
			return apierror.New(apierror.BackupRestore, "%s takes the place of %s, whose piece is on %s", now, source, r.found.holders[source])
		}
	}
	placed := inverse(sources)
	if r.planned, err = r.plan.shards(); err != nil {
		return err
	}
	if r.plan.current, err = r.plan.reports(r.found.cert, placed, r.id); err != nil {
		return err
	}
	if err := r.plan.forServers(placed); err != nil {
		return err
	}
	r.record = keys.Restore{
		Epoch: r.cluster.epoch + 1, BackupID: r.id, Nonce: r.nonce, Previous: r.failsafe.id(failsafeLabel),
		Servers: sources, Coordinator: r.ID, Since: r.failsafe.DateTime(), Older: r.cluster.failsafes(),
	}
	r.emit(ctx, step.Event{Step: step.Matched})
	return nil
}

// stageAll has every server link its piece beside its engine and check that it
// opens; nothing of it is in use yet.
func (r *restore) stageAll(ctx context.Context) error {
	dump, err := r.cluster.dump()
	if err != nil {
		return err
	}
	request := dbserver.StageRequest{
		ID: r.id, Epoch: r.record.Epoch, Nonce: r.nonce, FailsafeID: r.record.Previous,
		FailsafeTime: r.failsafe.DateTime(), NrDBServers: len(r.cluster.members),
	}
	if request.FailsafeDump, err = dbserver.Encode(dump); err != nil {
		return fmt.Errorf("encode agency dump: %w", err)
	}
	r.undo.push("staged engines", r.unstage)
	r.emit(ctx, step.Event{Step: step.Staging})
	err = tell(ctx, r.cluster.members, 0, func(ctx context.Context, m member) error {
		return r.stageOn(ctx, m, request)
	})
	if err != nil {
		return inContext(ctx, apierror.New(apierror.BackupRestore, "stage: %w", err))
	}
	return nil
}

func (r *restore) stageOn(ctx context.Context, m member, request dbserver.StageRequest) error {
	start := time.Now()
	request.Source = r.record.Servers[m.id]
	request.Empty = request.Source == ""
	request.Statements = r.found.cert.statementsFor(request.Source, r.planned)
	_, err := whileItProgresses(ctx, r.Service, m, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.Servers.Stage(ctx, m.target, request)
	})
	if err != nil {
		return err
	}
	r.emit(ctx, step.Event{Step: step.Staged, Server: m.id, Elapsed: time.Since(start)})
	return nil
}

func (r *restore) unstage(ctx context.Context) error {
	return allErrors(ask(ctx, r.cluster.members, r.Timing.Answer, nil, func(ctx context.Context, m member) (struct{}, error) {
		return struct{}{}, r.Servers.Unstage(ctx, m.target, dbserver.UnstageRequest{Epoch: r.record.Epoch, Nonce: r.nonce})
	}))
}

// commit is the commit point: Plan, Current and the epoch change in one
// transaction, if the lock is still ours and no other restore came between.
func (r *restore) commit(ctx context.Context) error {
	r.emit(ctx, step.Event{Step: step.PlanSwitching})
	if ctx.Err() != nil { // the last moment at which the client can change its mind
		return context.Cause(ctx)
	}
	tx := r.plan.switchPlan(r.cluster, r.record)
	if !failpoint.Off("restore-requires-lock") {
		maps.Copy(tx.Pre, r.locked())
	}
	err := r.commitOnce(ctx, tx, func(root *agency.Node) bool {
		return root.At(keys.HotBackupRestore).At("nonce").Text() == r.nonce
	})
	if err != nil {
		return err
	}
	r.emit(ctx, step.Event{Step: step.PlanSwitched})
	return nil
}

// finish waits until the restored state is served everywhere, and gives the lock
// back. Nothing here is taken back: a server that is slow, or dead, swaps its
// engine when it is there again.
func (r *restore) finish(ctx context.Context) error {
	ctx, cancel := r.afterCommit(ctx, r.Timing.Converge)
	defer cancel()
	r.emit(ctx, step.Event{Step: step.Converging})
	snapshot, err := r.Cache.Wait(ctx, func(s agency.Snapshot) bool {
		return len(lagging(s.Root, r.record.Epoch)) == 0 && len(leaderless(s.Root)) == 0
	})
	if err != nil {
		return r.incomplete(ctx, err)
	}
	if err := insist(ctx, r.releaseLock); err != nil {
		r.log.Warn("agency lock not released; it will end by itself", "error", err)
	}
	r.awaitPeers(ctx, snapshot.Root, r.record.Epoch)
	// Now others may take the place of leaders that have FAILED. Where no other can, since
	// they alone have everything, the shard is not restored yet.
	succeeding, cancel := context.WithTimeout(ctx, r.Timing.Succeed)
	defer cancel()
	if _, err := r.Cache.Wait(succeeding, func(s agency.Snapshot) bool { return len(unled(s.Root)) == 0 }); err != nil {
		return r.incomplete(ctx, err)
	}
	r.emit(ctx, step.Event{Step: step.Restored})
	return nil
}

// incomplete says what a committed restore is still waiting for. The lock is
// given back if there is time: failovers must go on, and a server that still has
// the old epoch can take part in nothing.
func (r *restore) incomplete(ctx context.Context, err error) error {
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Timing.Agency)
	defer cancel()
	if rerr := insist(free, r.releaseLock); rerr != nil {
		r.log.Warn("agency lock not released; it will end by itself", "error", rerr)
	}
	root := r.Cache.Snapshot().Root
	waiting := append(lagging(root, r.record.Epoch), unled(root)...)
	const shown = 5
	if n := len(waiting); n > shown {
		waiting = append(waiting[:shown], fmt.Sprintf("and %d more", n-shown))
	}
	return apierror.New(apierror.BackupRestore, "the restore of %s was committed and completes by itself (failsafe backup %s), but is not complete yet: %v: %w",
		r.id, r.record.Previous, waiting, err)
}
