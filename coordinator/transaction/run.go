package transaction

import (
	"context"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
)

// lookEvery is how late an idle transaction may be noticed.
const lookEvery = time.Second

// Run keeps parts alive, aborts transactions that nobody uses, and forgets those that have ended some time ago, until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() { m.forgetAll(ctx) })
	others.Go(func() { m.keepAll(ctx) })
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			m.look(now)
		}
	}
}

func (m *Manager) look(now time.Time) {
	for _, t := range m.transactions() {
		if t.expired(now, m.o.Timing.Idle) && t.abandon("it was idle for "+m.o.Timing.Idle.String()) != nil {
			m.count(func(c *tally) { c.expired++ })
			m.o.Logger.Info("transaction aborted, because nobody has used it", "id", t.id, "idle", m.o.Timing.Idle)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := 0
	for old < len(m.finished) && now.Sub(m.finished[old].ended()) >= m.o.Timing.Known {
		old++
	}
	m.drop(old)
}

// ended is when a transaction has ended.
func (t *Transaction) ended() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.used
}

func (m *Manager) keepAll(ctx context.Context) {
	tick := time.NewTicker(m.o.Timing.Keep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.keep(ctx)
		}
	}
}

// keep tells the servers which of their parts live. What they do not have any more is aborted here, too.
func (m *Manager) keep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, m.o.Timing.Keep)
	defer cancel()
	at := map[dbclient.Target][]dbclient.TxnPart{}
	by := map[dbclient.TxnID]*Transaction{}
	for _, t := range m.transactions() {
		by[t.id] = t
		for _, p := range t.held.openParts(func(*part) bool { return true }) {
			at[p.target] = append(at[p.target], p.TxnPart)
		}
	}
	var all sync.WaitGroup
	for target, parts := range at {
		all.Go(func() {
			answer, err := m.o.Parts.Keep(ctx, target, dbclient.TxnKeepRequest{Parts: parts})
			if err != nil {
				m.o.Logger.Debug("parts of transactions are not kept alive", "server", target.URL, "error", err)
				return
			}
			for id, why := range answer.Gone {
				if t := by[id]; t != nil && t.abandon(why) != nil { // one that commits finds it out by itself
					m.o.Logger.Info("transaction aborted", "id", id, "server", target.URL, "why", why)
				}
			}
		})
	}
	all.Wait()
}

// Stop aborts the transactions that are running, and begins none any more. It does not wait.
func (m *Manager) Stop() {
	m.mu.Lock()
	m.stopping = true
	m.mu.Unlock()
	for _, t := range m.transactions() {
		t.abandon("coordinator " + m.o.ID + ", which has begun it, is stopping")
	}
}

// Close is Stop, and waits for what has been decided to be finished, while ctx lasts. Then it ends everything. Run must have been
// told to end.
func (m *Manager) Close(ctx context.Context) {
	m.Stop()
	stop := context.AfterFunc(ctx, m.cancel)
	defer stop()
	m.group.Wait()
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.group.Wait() // what has begun in between
	m.cancel()
}
