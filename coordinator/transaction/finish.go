package transaction

import (
	"context"
	"errors"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// won answers the client, and then tells the shards.
func (c *commitment) won(base context.Context) {
	t := c.t
	t.settle(committed, "")
	c.e.answer(nil)
	if c.home != nil && step(base, stepDecided) == nil {
		c.finish(base)
	}
	t.m.over(t)
}

// fail aborts a transaction whose decision was not asked for, or whose home has not decided it.
func (c *commitment) fail(base context.Context, err error) {
	t := c.t
	why := "its commit has failed: " + err.Error()
	if stopped := context.Cause(c.ctx); errors.Is(stopped, errAborted) {
		why = stopped.Error()
	}
	t.settle(aborted, why)
	t.end(errAborted)
	t.m.o.Logger.Info("transaction aborted", "id", t.id, "why", why)
	t.endParts(base, why)
	t.m.over(t)
	c.e.answer(apierror.New(apierror.TransactionAborted, "transaction %s is aborted: %s", t.id, why))
}

// reopen lets the transaction go on living: a backup has kept it out for longer than its client waits.
func (c *commitment) reopen(err error) {
	t := c.t
	t.mu.Lock()
	t.state, t.used = running, time.Now()
	t.mu.Unlock()
	c.e.answer(apierror.New(apierror.GateClosed, "transaction %s is not committed, and goes on living: commit it again: %w", t.id, err))
}

// doubt tells the client that the outcome is unknown.
func (c *commitment) doubt(why error) {
	c.t.mu.Lock()
	c.t.state, c.t.why = unknown, "its home does not tell: "+why.Error()
	err := c.t.doubt()
	c.t.mu.Unlock()
	c.e.answer(err)
}

// finish tells the other shards of the decision. What it does not reach in time, the home tells by itself.
func (c *commitment) finish(base context.Context) {
	t := c.t
	ctx, cancel := context.WithTimeout(base, t.m.o.Timing.Finish)
	defer cancel()
	err := each(c.others, func(s *shard) error { return t.resolve(ctx, s) })
	if err == nil && len(c.others) > 0 {
		err = step(ctx, stepResolved)
	}
	if err != nil && !failpoint.Off("forget-after-all-have-resolved") {
		t.m.o.Logger.Info("not all shards of a committed transaction have been told: its home does so", "id", t.id, "error", err)
		return
	}
	select {
	case t.m.decisions <- decision{t.id, c.home.at, t.epoch}:
	default:
	}
}

// resolve tells a shard until it has answered, or is dropped.
func (t *Transaction) resolve(ctx context.Context, s *shard) error {
	_, target := t.held.partAt(s.url)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := t.m.o.Parts.Resolve(ctx, target, s.at.Shard, dbclient.TxnResolveRequest{ID: t.id, Commit: true})
		if err == nil {
			return nil
		}
		if wait.For(ctx, pause) != nil {
			return err
		}
		snap, serr := t.m.o.Catalog.Sync(ctx)
		if serr != nil {
			continue
		}
		leader, inPlan, lerr := leaderOf(snap, s.at)
		switch {
		case snap.Epoch != t.epoch:
			return errRestored
		case !inPlan:
			return nil
		case lerr == nil:
			target = leader
		}
	}
}
