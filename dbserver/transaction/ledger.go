package transaction

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
)

// Ledger has all parts of a server. Its methods may be used from any goroutine.
type Ledger struct {
	Config
	wake chan struct{} // holds a token when something has been inherited

	mu        sync.Mutex // held for memory alone
	parts     map[dbclient.TxnID]*part
	ended     *memory
	bytes     int64
	inherited map[string]*inheritance // by shard
	doubtful  int                     // transactions that are prepared here, at the last look
}

// New makes a Ledger without parts; Run has it look after them.
func New(c Config) *Ledger {
	c = c.withDefaults()
	return &Ledger{
		Config: c, wake: make(chan struct{}, 1), parts: map[dbclient.TxnID]*part{},
		ended: newMemory(c.Limits.Ended, c.Timing.Remember), inherited: map[string]*inheritance{},
	}
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

// Open makes a part. Repeating it gives the same one. [apierror.TxnGone]: it was here, and has ended. [apierror.ResourceLimit]: there are
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
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.parts[q.ID]; p != nil {
		switch {
		case p.why != nil:
			return none, p.why
		case p.coordinator != q.Coordinator:
			return none, apierror.New(apierror.BadParameter, "transaction %s is that of coordinator %s", q.ID, p.coordinator)
		}
		p.kept = time.Now()
		return dbclient.TxnOpenResponse{Token: p.token}, nil
	}
	if why, known := l.ended.why(q.ID); known {
		return none, gone(q.ID, why)
	}
	if n := len(l.parts); n >= l.Limits.Parts {
		return none, apierror.New(apierror.ResourceLimit, "%d transactions have a part on this server already: try again later", n)
	}
	now := time.Now()
	p := &part{
		id: q.ID, token: rand.Text(), coordinator: q.Coordinator, begun: now.Add(-age), elsewhere: q.Elsewhere, lockWait: wait, limit: q.MaxBytes,
		store: s, owner: locks.Transaction(q.ID.String(), q.Coordinator, now.Add(-age)),
		turn: make(chan struct{}, 1), over: make(chan struct{}), stakes: map[string]*stake{}, kept: now,
	}
	p.turn <- struct{}{}
	p.life, p.kill = context.WithCancelCause(context.Background())
	l.parts[q.ID] = p
	return dbclient.TxnOpenResponse{Token: p.token}, nil
}

// Keep notes that parts live, and says which do not.
func (l *Ledger) Keep(s *store.Store, q dbclient.TxnKeepRequest) dbclient.TxnKeepResponse {
	l.mu.Lock()
	defer l.mu.Unlock()
	answer := dbclient.TxnKeepResponse{}
	for _, name := range q.Parts {
		p, err := l.find(s, name)
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

// find gives a part that has not ended; [apierror.TxnGone] says why there is none. mu is held.
func (l *Ledger) find(s *store.Store, name dbclient.TxnPart) (*part, error) {
	p := l.parts[name.ID]
	switch {
	case p == nil:
		if why, known := l.ended.why(name.ID); known {
			return nil, gone(name.ID, why)
		}
		return nil, gone(name.ID, "it has never been here, or the server has started again since")
	case p.why != nil:
		return nil, p.why
	case p.token != name.Token:
		return nil, gone(name.ID, "the server has started again since it began")
	case p.store != s:
		return nil, gone(name.ID, "the data of the server has been opened again since it began")
	}
	return p, nil
}

// take gives a request the part for itself. give must be called after it.
func (l *Ledger) take(ctx context.Context, s *store.Store, name dbclient.TxnPart) (*part, error) {
	l.mu.Lock()
	p, err := l.find(s, name)
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-p.turn:
	case <-p.life.Done():
		return nil, context.Cause(p.life)
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another request of the transaction: %w", context.Cause(ctx))
	}
	l.mu.Lock()
	why := p.why
	if why == nil {
		p.kept = time.Now()
	}
	l.mu.Unlock()
	if why != nil {
		l.give(p)
		return nil, why
	}
	return p, nil
}

// give ends the turn of a request. If the part has ended meanwhile, what it has is released.
func (l *Ledger) give(p *part) {
	l.mu.Lock()
	over := p.why != nil
	if !over {
		p.turn <- struct{}{}
	}
	l.mu.Unlock()
	if over {
		l.release(p)
	}
}

// allow is asked before a part keeps n more bytes.
func (l *Ledger) allow(p *part, n int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case p.bytes+n > p.limit:
		return apierror.New(apierror.ResourceLimit, "transaction %s has written %d bytes, and may not write %d more: its limit is %d", p.id, p.bytes, n, p.limit)
	case l.bytes+n > l.Limits.Bytes:
		return apierror.New(apierror.ResourceLimit, "transactions that are open have written %d bytes on this server, and %d more are too many: its limit is %d", l.bytes, n, l.Limits.Bytes)
	}
	p.bytes += n
	l.bytes += n
	return nil
}
