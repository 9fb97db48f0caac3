package supervision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/fsm"
)

// keptEvents is how many events the agency keeps.
const keptEvents = 256

// maxTogether is how many transactions share one entry of the log.
const maxTogether = 128

// change makes one change and says whether it was applied. One that was not is
// none of anybody's concern: the tree had moved on.
func (s *supervisor) change(ctx context.Context, d job.Decision) bool {
	return s.changeAll(ctx, []job.Decision{d}) == 1
}

// changeAll makes changes in order and counts those that were applied. Each takes
// its event into the agency with it, so that what happened and the news of it
// cannot come apart.
func (s *supervisor) changeAll(ctx context.Context, decisions []job.Decision) (applied int) {
	for len(decisions) > 0 {
		n := min(len(decisions), maxTogether)
		indices, err := s.propose(ctx, decisions[:n])
		s.note(ctx, err)
		for i, index := range indices {
			if index != 0 {
				applied++
				s.emit(ctx, decisions[i])
			}
		}
		if err != nil {
			return applied
		}
		decisions = decisions[n:]
	}
	return applied
}

func (s *supervisor) propose(ctx context.Context, decisions []job.Decision) ([]uint64, error) {
	txs := make([]fsm.Transaction, 0, len(decisions))
	for _, d := range decisions {
		tx, err := parse(recorded(d))
		if err != nil {
			return nil, err
		}
		txs = append(txs, tx)
	}
	return s.store.Propose(ctx, txs)
}

// recorded adds a decision's event to its transaction.
func recorded(d job.Decision) agencyclient.Tx {
	if d.Step != "" {
		d.Tx.Ops[keys.SupervisionEvents] = agencyclient.PushQueue(keys.Event{
			Time: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), Step: string(d.Step),
			Job: d.Job, Database: d.DB, Shard: d.Shard, Server: d.Server, Detail: d.Detail,
		}, keptEvents)
	}
	return d.Tx
}

// parse makes the state machine's form of a transaction.
func parse(tx agencyclient.Tx) (fsm.Transaction, error) {
	raw, err := tx.Encode(uuid.NewString())
	if err != nil {
		return fsm.Transaction{}, fmt.Errorf("encoding a transaction: %w", err)
	}
	return fsm.ParseTransaction(raw)
}

// note logs when changes begin to fail, and when they work again.
func (s *supervisor) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil || errors.Is(err, context.Canceled): // no longer leading: the next leader looks at it
	case err != nil && !s.failing:
		s.failing = true
		s.log.Warn("cannot change the agency", "error", err)
	case err == nil && s.failing:
		s.failing = false
		s.log.Info("can change the agency again")
	}
}

// emit tells what was done, to the log and to whoever listens.
func (s *supervisor) emit(ctx context.Context, d job.Decision) {
	if d.Step == "" {
		return
	}
	e := event.Event{
		Operation: Operation, ID: d.Job, Step: d.Step, Server: d.Server, Detail: d.Detail, Elapsed: d.Elapsed,
	}
	s.log.Info(e.String(), "id", d.Job, "shard", d.Shard)
	s.steps.Emit(ctx, e)
}
