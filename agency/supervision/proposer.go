package supervision

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/fsm"
	"stasis/internal/failpoint"
	"stasis/internal/wall"
)

// maxTogether is how many transactions share one entry of the log.
const maxTogether = 128

// proposer makes changes, and tells of those that were applied.
type proposer struct {
	store   Store
	log     hclog.Logger
	steps   event.Sink
	wall    wall.Clock
	failing bool // the last change could not be made, and that has been logged
}

// change makes one change and says whether it was applied. If it was not, the tree had moved on,
// and the next pass decides again.
func (p *proposer) change(ctx context.Context, d job.Decision) bool {
	return p.changeAll(ctx, []job.Decision{d}) == 1
}

// changeAll makes changes in order and counts those that were applied. Each takes its event into
// the agency with it: an event tells of exactly what was applied, though this agent may stop
// leading at any moment.
func (p *proposer) changeAll(ctx context.Context, decisions []job.Decision) (applied int) {
	for len(decisions) > 0 {
		n := min(len(decisions), maxTogether)
		indices, err := p.propose(ctx, decisions[:n])
		p.report(ctx, err)
		for i, index := range indices {
			if index != 0 {
				applied++
				p.emit(ctx, decisions[i])
			}
		}
		if err != nil {
			return applied
		}
		decisions = decisions[n:]
	}
	return applied
}

func (p *proposer) propose(ctx context.Context, decisions []job.Decision) ([]uint64, error) {
	if err := failpoint.Hit(ctx, "agency/supervision/decide", ""); err != nil {
		return nil, err
	}
	txs := make([]fsm.Transaction, 0, len(decisions))
	for _, d := range decisions {
		tx, err := parse(p.withEvent(d))
		if err != nil {
			return nil, err
		}
		txs = append(txs, tx)
	}
	return p.store.Propose(ctx, txs)
}

// withEvent adds a decision's event to its transaction.
func (p *proposer) withEvent(d job.Decision) agencyclient.Tx {
	if d.Step != "" {
		d.Tx.Ops[keys.SupervisionEvents] = agencyclient.PushQueue(keys.Event{
			Time: p.wall.Now().UTC().Format("2006-01-02T15:04:05.000Z"), Step: string(d.Step),
			Job: d.Job, Database: d.DB, Shard: d.Shard, Server: d.Server, Detail: d.Detail,
		}, keys.EventsKept)
	}
	return d.Tx
}

// parse makes the state machine's form of a transaction.
func parse(tx agencyclient.Tx) (fsm.Transaction, error) {
	raw, err := tx.Encode(uuid.NewString())
	if err != nil {
		return fsm.Transaction{}, fmt.Errorf("encode a transaction: %w", err)
	}
	return fsm.ParseTransaction(raw)
}

// report logs when changes begin to fail, and when they succeed again. It says nothing when this
// agent stops leading: the next leader makes the changes.
func (p *proposer) report(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
	case err != nil && !p.failing:
		p.failing = true
		p.log.Warn("the supervision cannot change the agency, and tries again in every pass", "error", err)
	case err == nil && p.failing:
		p.failing = false
		p.log.Info("the supervision can change the agency again")
	}
}

// emit tells the log and the sink of steps what was done.
func (p *proposer) emit(ctx context.Context, d job.Decision) {
	if d.Step == "" {
		return
	}
	e := event.Event{
		Operation: event.Supervision, ID: d.Job, Step: d.Step, Server: d.Server, Detail: d.Detail, Elapsed: d.Elapsed,
	}
	p.log.Info(e.String(), "id", d.Job, "shard", d.Shard)
	p.steps.Emit(ctx, e)
}
