package restore

import (
	"context"

	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/internal/apierror"
)

// Restore brings the whole cluster back to a backup. If ctx ends before the commit, Restore
// undoes everything; after it, the restore goes on without ctx.
//
// An error means that nothing has changed, unless it says that the restore is committed (then the
// DB servers complete it), or matches [operation.ErrOutcomeUnknown].
func (s *Restorer) Restore(ctx context.Context, r Request) (Result, error) {
	if r.ID == "" {
		return Result{}, apierror.New(apierror.BadParameter, "restore: id is missing")
	}
	r.Timeout = operation.Timeout(r.Timeout)
	if r.Deadline < 0 {
		return Result{}, operation.BadDeadline("restore")
	}
	ctx, leave, err := s.Life.Enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	one := &restoration{by: s, op: operation.New(keys.OperationRestore, r.ID, s.Steps, s.Log), request: r}
	defer func() { one.lock.Stop() }()
	limited, done := operation.WithDeadline(ctx, r.Deadline)
	defer done()
	if err := one.decide(limited); err != nil {
		err = operation.Numbered(apierror.BackupRestore, "restore", one.op.Overdue(operation.Cause(limited, err)))
		one.op.RollBack(ctx, err, s.Timeouts.Undo)
		one.op.Log.Warn("restore failed, nothing has changed", "id", r.ID, "error", err)
		return Result{}, err
	}
	if err := one.finish(ctx); err != nil {
		one.op.Log.Warn("restore committed but not complete yet", "id", r.ID, "error", err)
		return Result{}, err
	}
	one.op.Log.Info("restored", "id", r.ID, "previous", one.record.Previous, "epoch", one.record.Epoch)
	return Result{Previous: one.record.Previous, IsCluster: true, Signature: &one.signed}, nil
}

// decide does everything up to the commit point.
func (r *restoration) decide(ctx context.Context) error {
	held, l, err := r.by.Locks.Acquire(ctx, r.op, r.op.Began.Add(r.request.Timeout), func() string { return r.request.ID })
	if err != nil {
		return err
	}
	r.lock = l
	err = r.op.Steps.Run(held, []operation.Stage{
		{Name: "read Plan", Do: r.readPlan},
		{Name: "collect pieces", Do: r.collect},
		{Name: "match servers", Do: r.match},
		{Name: "stage", Do: r.stageAll},
		{Name: "commit", Do: r.commit},
	})
	if err != nil {
		return operation.Cause(held, err)
	}
	return nil
}
