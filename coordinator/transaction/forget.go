package transaction

import (
	"context"
	"errors"
	"time"

	dbclient "stasis/dbserver/client"
)

// Decisions are forgotten in batches of so many, or after so long. More than the queue takes are left to their homes, which forget
// them by themselves.
const (
	forgetQueue = 4096
	forgetBatch = 256
	forgetAfter = 100 * time.Millisecond
)

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
