package transaction

import (
	"context"
	"fmt"
	"slices"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/dbserver/shard"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Request is what the operations of a part on a shard have in common.
type Request struct {
	Store *store.Store
	Shard string
	Part  dbclient.TxnPart
	Whole bool      // the shard is locked as a whole first
	Write bool      // it may write
	Until time.Time // it waits no longer at the gate; zero: as long as its context lasts
}

// Documents reads in a part, and writes to it.
func (l *Ledger) Documents(ctx context.Context, r Request, q dbclient.DocumentsRequest) (dbclient.DocumentsResponse, error) {
	r.Write = slices.ContainsFunc(q.Ops, func(op dbclient.Op) bool { return op.Kind != dbclient.OpRead })
	return operate(ctx, l, r, func(ctx context.Context, p *shard.Part) (dbclient.DocumentsResponse, error) {
		results, err := p.Documents(ctx, q)
		return dbclient.DocumentsResponse{Results: results}, err
	})
}

// Scan reads a page of a shard with the part's own writes.
func (l *Ledger) Scan(ctx context.Context, r Request, q dbclient.ScanRequest) (dbclient.ScanResponse, error) {
	return operate(ctx, l, r, func(ctx context.Context, p *shard.Part) (dbclient.ScanResponse, error) { return p.Scan(ctx, q) })
}

// Count counts the documents of a shard with the part's own writes.
func (l *Ledger) Count(ctx context.Context, r Request) (dbclient.CountResponse, error) {
	return operate(ctx, l, r, func(ctx context.Context, p *shard.Part) (dbclient.CountResponse, error) { return p.Count(ctx) })
}

// Truncate removes all documents of a shard when the transaction commits.
func (l *Ledger) Truncate(ctx context.Context, r Request) error {
	r.Write = true
	_, err := operate(ctx, l, r, func(ctx context.Context, p *shard.Part) (struct{}, error) { return struct{}{}, p.Truncate(ctx) })
	return err
}

// operate does an operation of a part on a shard. [apierror.TxnGone]: the part has ended, before or meanwhile.
func operate[A any](ctx context.Context, l *Ledger, r Request, do func(context.Context, *shard.Part) (A, error)) (none A, err error) {
	p, err := l.registry.take(ctx, r.Store, r.Part)
	if err != nil {
		return none, err
	}
	defer l.registry.give(p)
	ctx, end := p.within(ctx)
	defer end()
	st, on, err := l.stake(p, r.Shard)
	if err != nil {
		return none, err
	}
	if r.Write {
		if err := l.enterOpen(ctx, p, r.Until); err != nil {
			return none, l.registry.because(ctx, p, err)
		}
	}
	if r.Whole {
		err = st.part.Whole(ctx)
	}
	var answer A
	if err == nil {
		answer, err = do(ctx, st.part)
	}
	if err == nil {
		err = failpoint.Hit(ctx, "dbserver/transaction/answer", l.ID)
	}
	if err == nil && !failpoint.Off("lease-after-transaction") {
		err = on.Leader.Serving() // another leader may have begun before this has read
	}
	return answer, l.registry.because(ctx, p, l.registry.void(p, r.Shard, err))
}

// within is a context that ends with the part, too.
func (p *part) within(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.life, func() { cancel(context.Cause(p.life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// stake gives what a part has on a shard that this server leads; the caller has the turn.
func (l *Ledger) stake(p *part, name string) (*stake, *store.Replica, error) {
	on, err := p.store.Led(name)
	if err != nil {
		return nil, nil, err
	}
	tenure := on.Leader.Tenure()
	l.registry.mu.Lock()
	st := p.stakes[name]
	l.registry.mu.Unlock()
	switch {
	case st == nil:
	case st.tenure != tenure:
		return nil, nil, l.registry.endNow(p, moved(name))
	case l.registry.phaseOf(st) != open:
		return nil, nil, apierror.New(apierror.TransactionDisallowed, "transaction %s is being committed on shard %s", p.id, name)
	default:
		return st, on, nil
	}
	begun, err := on.Shard.Transactions().Begin(p.id, p.owner, shard.PartLimits{LockWait: p.lockWait, Bytes: func(n int64) error { return l.registry.allow(p, n) }})
	if err != nil {
		return nil, nil, fmt.Errorf("begin on shard %s: %w", name, err)
	}
	st = &stake{part: begun, tenure: tenure}
	l.registry.mu.Lock()
	p.stakes[name] = st
	l.registry.mu.Unlock()
	if on.Leader.Over() { // Ended may have looked for the stake before it was there
		return nil, nil, l.registry.endNow(p, moved(name))
	}
	return st, on, nil
}

// entry is the part at the gate.
func (p *part) entry(class gate.Class, until time.Time) gate.Entry {
	return gate.Entry{Class: class, Who: p.who(), Begun: p.begun, Until: until, Opened: p.elsewhere.Load() || p.places.open != nil}
}

// enterOpen passes the gate before the first write of a part; the caller has the turn, and so alone changes places.
func (l *Ledger) enterOpen(ctx context.Context, p *part, until time.Time) error {
	if p.places.open != nil || failpoint.Off("open-transactions-pass-the-gate") {
		return nil
	}
	leave, err := l.Gate.EnterAs(ctx, p.entry(gate.Open, until))
	if err != nil {
		return err
	}
	l.registry.mu.Lock()
	defer l.registry.mu.Unlock()
	p.places.open = leave
	return nil
}
