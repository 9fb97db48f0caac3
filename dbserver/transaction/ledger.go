package transaction

import (
	"context"
	"crypto/rand"
	"math"
	"sync/atomic"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/dbserver/shard"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
)

// Ledger has all parts of a server. Its methods may be used from any goroutine.
type Ledger struct {
	Config
	registry  *registry
	inherited *inheritances
	homes     homes
	doubtful  atomic.Int64 // transactions that are prepared here, at the last look
}

// longest bounds lengths of time in requests.
const longest = 24 * time.Hour

// seconds reads a length of time of a request.
func seconds(what string, n float64) (time.Duration, error) {
	if math.IsNaN(n) || n < 0 || n > longest.Seconds() {
		return 0, apierror.New(apierror.BadParameter, "%s of %g s: want 0 to %g", what, n, longest.Seconds())
	}
	return time.Duration(n * float64(time.Second)), nil
}

// Open makes a part. Repeating it gives the same one, and may say that the transaction is inside another gate since. [apierror.TxnGone]: it was here, and has ended. [apierror.ResourceLimit]: there are
// too many.
func (l *Ledger) Open(s *store.Store, q dbclient.TxnOpenRequest) (dbclient.TxnOpenResponse, error) {
	var none dbclient.TxnOpenResponse
	age, err := seconds("age", q.Age)
	if err != nil {
		return none, err
	}
	wait, err := seconds("lock timeout", q.LockTimeout)
	if err != nil {
		return none, err
	}
	if q.ID == 0 || q.Coordinator == "" || q.MaxBytes <= 0 {
		return none, apierror.New(apierror.BadParameter, "a part needs an id, a coordinator, and a limit of bytes")
	}
	l.registry.mu.Lock()
	defer l.registry.mu.Unlock()
	if p := l.registry.parts[q.ID]; p != nil {
		switch {
		case p.why != nil:
			return none, p.why
		case p.coordinator != q.Coordinator:
			return none, apierror.New(apierror.BadParameter, "transaction %s is that of coordinator %s", q.ID, p.coordinator)
		}
		p.kept = time.Now()
		if q.Elsewhere { // since the first request
			p.elsewhere.Store(true)
		}
		return dbclient.TxnOpenResponse{Token: p.token}, nil
	}
	if why, known := l.registry.ended.why(q.ID); known {
		return none, gone(q.ID, why)
	}
	if n := len(l.registry.parts); n >= l.Limits.Parts {
		return none, apierror.New(apierror.ResourceLimit, "%d transactions have a part on this server already: try again later", n)
	}
	now := time.Now()
	p := &part{
		id: q.ID, token: rand.Text(), coordinator: q.Coordinator, begun: now.Add(-age), lockWait: wait, limit: q.MaxBytes,
		store: s, owner: locks.Transaction(q.ID.String(), q.Coordinator, now.Add(-age)),
		turn: make(chan struct{}, 1), over: make(chan struct{}), stakes: map[string]*stake{}, kept: now,
	}
	p.turn <- struct{}{}
	p.elsewhere.Store(q.Elsewhere)
	p.life, p.kill = context.WithCancelCause(context.Background())
	l.registry.parts[q.ID] = p
	return dbclient.TxnOpenResponse{Token: p.token}, nil
}

// Keep notes that parts live, and says which do not.
func (l *Ledger) Keep(s *store.Store, q dbclient.TxnKeepRequest) dbclient.TxnKeepResponse {
	l.registry.mu.Lock()
	defer l.registry.mu.Unlock()
	answer := dbclient.TxnKeepResponse{}
	for _, name := range q.Parts {
		p, err := l.registry.find(s, name)
		if err != nil {
			if answer.Gone == nil {
				answer.Gone = map[dbclient.TxnID]string{}
			}
			answer.Gone[name.ID] = err.Error()
			continue
		}
		p.kept = time.Now()
	}
	return answer
}

// Inherit holds the gate for what is prepared on a shard whose leader is about to serve. It waits while a backup holds the gate:
// a cut that is made then has each of these transactions as a whole, or the leader says that it does not serve.
func (l *Ledger) Inherit(ctx context.Context, of *shard.Shard, tenure shard.Tenure) error {
	return l.inherited.add(ctx, of, tenure)
}
