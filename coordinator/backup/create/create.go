package create

import (
	"context"
	"time"

	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/internal/apierror"
)

// Create makes a backup of the whole cluster. If ctx ends before the commit, Create undoes
// everything.
//
// An error means that the backup does not exist and nothing of it is left, unless the error
// matches [operation.ErrOutcomeUnknown].
func (s *Creator) Create(ctx context.Context, r Request) (Result, error) {
	r, err := r.checked()
	if err != nil {
		return Result{}, err
	}
	ctx, leave, err := s.Life.Enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	c := &creation{by: s, op: operation.New(keys.OperationCreate, "", s.Steps, s.Log), request: r}
	defer func() { c.lock.Stop() }()
	limited, done := operation.WithDeadline(ctx, r.Deadline)
	defer done()
	if err := c.make(limited); err != nil {
		err = operation.Numbered(apierror.BackupCreate, "create backup", c.op.Overdue(operation.Cause(limited, err)))
		return Result{}, c.failed(ctx, err)
	}
	s.Tally.count(&c.gates.report, made)
	c.op.Log.Info("backup made", "id", c.op.ID, "inconsistent", c.marked, "unpublished", c.behind)
	return c.result(), nil
}

// make does the ten steps. All but the first and the last run in a context that ends when the
// agency lock is lost.
func (c *creation) make(ctx context.Context) error {
	held, err := c.lockAgency(ctx) // 1
	if err != nil {
		return err
	}
	err = c.op.Steps.Run(held, []operation.Stage{
		{Name: "read Plan", Do: c.readPlan},       // 2
		{Name: "prepare", Do: c.prepareAll},       // 3
		{Name: "lock and cut", Do: c.holdInstant}, // 4, 5, 6
		{Name: "thaw", Do: c.thaw},
		{Name: "link", Do: c.link},     // 7
		{Name: "verify", Do: c.verify}, // 8
		{Name: "seal", Do: c.seal},
		{Name: "commit", Do: c.commit}, // 9
	})
	if err != nil {
		return operation.Cause(held, err)
	}
	c.publish(ctx) // 10
	return nil
}

// lockAgency is step 1: from the index of its transaction on, Plan is frozen.
func (c *creation) lockAgency(ctx context.Context) (context.Context, error) {
	deadline := c.lockDeadline()
	held, l, err := c.by.Locks.Acquire(ctx, c.op, deadline, c.newID)
	if err != nil {
		return nil, err
	}
	c.lock = l
	if time.Until(deadline) <= 0 {
		return nil, apierror.New(apierror.ClusterTimeout, "the timeout of %v ended before the agency lock was free", c.request.Timeout)
	}
	return held, nil
}

func (c *creation) result() Result {
	r := Result{
		ID: c.op.ID, PotentiallyInconsistent: c.marked, NrDBServers: len(c.pieces), DateTime: c.moment.DateTime(),
		LockReport: c.gates.report, Unpublished: c.behind, SigningKey: c.sealed.key,
	}
	for _, p := range c.pieces {
		r.SizeInBytes += p.SizeInBytes
		r.NrFiles += p.NrFiles
	}
	return r
}
