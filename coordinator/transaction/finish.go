package transaction

import (
	"context"
	"errors"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// Decisions are forgotten in batches of so many, or after so long. More than the queue takes are left to their homes, which forget
// them by themselves.
const (
	forgetQueue = 4096
	forgetBatch = 256
	forgetAfter = 100 * time.Millisecond
)

// decision may be forgotten: all its shards have it on disk.
type decision struct {
	id    dbclient.TxnID
	at    dbclient.TxnShard
	epoch uint64
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

// forgetAll has home shards forget decisions, until ctx ends.
func (m *Manager) forgetAll(ctx context.Context) {
	for {
		var batch []decision
		select {
		case d := <-m.decisions:
			batch = append(batch, d)
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(forgetAfter)
		for full := false; !full && len(batch) < forgetBatch; {
			select {
			case d := <-m.decisions:
				batch = append(batch, d)
			case <-timer.C:
				full = true
			case <-ctx.Done():
				full = true
			}
		}
		timer.Stop()
		m.forget(batch)
	}
}

// forget has the homes forget a batch. A decision that it does not reach, its home forgets by itself.
func (m *Manager) forget(batch []decision) {
	ctx, cancel := context.WithTimeout(m.ctx, m.o.Timing.End)
	defer cancel()
	snap := m.o.Catalog.Cached()
	at := map[string][]dbclient.TxnDecision{}
	for _, d := range batch {
		if target, inPlan, err := leaderOf(snap, d.at); inPlan && err == nil && d.epoch == snap.Epoch {
			at[target.URL] = append(at[target.URL], dbclient.TxnDecision{ID: d.id, Shard: d.at.Shard})
		}
	}
	err := each(sorted(at), func(url string) error {
		return m.o.Parts.Forget(ctx, dbclient.Target{URL: url, Epoch: snap.Epoch}, dbclient.TxnForgetRequest{Decisions: at[url]})
	})
	if err = errors.Join(err, step(ctx, stepForgotten)); err != nil {
		m.o.Logger.Debug("decisions not forgotten: their homes do so", "error", err)
	}
}
