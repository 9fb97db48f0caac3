package transaction

import (
	"context"
	"errors"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Enter passes the gate as committing, or says at once that it is closed ([apierror.GateClosed]). With Wait it waits until it can
// pass, or until the client has no more time, and is outside when it returns.
func (l *Ledger) Enter(ctx context.Context, s *store.Store, q dbclient.TxnEnterRequest, until time.Time) error {
	p, err := l.take(ctx, s, q.TxnPart)
	if err != nil {
		return err
	}
	defer l.give(p)
	ctx, end := p.within(ctx)
	defer end()
	if p.places.committing != nil {
		return nil
	}
	if q.Wait {
		leave, err := l.Gate.EnterAs(ctx, p.entry(gate.Committing, until))
		if err == nil {
			leave()
		}
		return l.because(ctx, p, err)
	}
	leave, err := l.Gate.TryEnterAs(p.entry(gate.Committing, time.Time{}))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.places.committing = leave
	return nil
}

// Leave leaves the gate, unless a shard of the part is prepared, or may be.
func (l *Ledger) Leave(ctx context.Context, s *store.Store, q dbclient.TxnPart) error {
	p, err := l.take(ctx, s, q)
	if errors.Is(err, apierror.TxnGone) {
		return nil // then it is outside, or bound
	}
	if err != nil {
		return err
	}
	defer l.give(p)
	l.mu.Lock()
	leave := p.places.committing
	if leave == nil || p.bound() {
		l.mu.Unlock()
		return nil
	}
	p.places.committing = nil
	l.mu.Unlock()
	leave()
	return nil
}

// step begins a step of the commit on a shard that the part has written on: from now on the part is not given up before
// the step has an outcome. done: the step was done before. The caller has the turn.
func (l *Ledger) step(p *part, name string, inside, decide bool) (st *stake, done bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	st = p.stakes[name]
	switch {
	case p.why != nil:
		return nil, false, p.why
	case st == nil || st.phase == open && !st.part.Wrote():
		return nil, false, apierror.New(apierror.BadParameter, "transaction %s has written nothing on shard %s", p.id, name)
	case st.phase == prepared && !decide, st.decided && decide:
		return st, true, nil
	case st.phase != open:
		return nil, false, apierror.New(apierror.TransactionDisallowed, "transaction %s is being committed on shard %s in another way", p.id, name)
	case inside && p.places.committing == nil && !failpoint.Off("prepare-in-gate"):
		return nil, false, apierror.New(apierror.PreconditionFailed, "transaction %s has not passed the gate of this server as committing", p.id)
	}
	if st.phase = preparing; decide {
		st.deciding = make(chan struct{})
	}
	return st, false, nil
}

// Prepare makes what a part has written on a shard ready to be committed. The part must be inside the gate as committing. After
// [apierror.ConnectionLost] the shard may be prepared: then it asks its home what becomes of the transaction.
func (l *Ledger) Prepare(ctx context.Context, s *store.Store, name string, q dbclient.TxnPrepareRequest) error {
	if q.Home.Shard == "" || q.Home.Shard == name {
		return apierror.New(apierror.BadParameter, "shard %s cannot have %q as the home of what it prepares", name, q.Home.Shard)
	}
	p, err := l.take(ctx, s, q.TxnPart)
	if err != nil {
		return err
	}
	defer l.give(p)
	st, done, err := l.step(p, name, true, false)
	if err != nil || done {
		return err
	}
	err = failpoint.Hit(ctx, "dbserver/transaction/prepare", l.ID)
	if err == nil {
		err = st.part.Prepare(s.Life(), q.Home)
	}
	l.mu.Lock()
	switch {
	case st.lost:
		st.phase = settled
	case err == nil || errors.Is(err, apierror.ConnectionLost):
		st.phase = prepared
	default:
		st.phase = open
	}
	l.mu.Unlock()
	return l.void(p, name, err)
}

// Decide commits a transaction on its home shard. With others the part must be inside the gate as committing; without, it passes
// the gate like a write, and waits no longer than until. After [apierror.GateClosed], and any other error but [apierror.ConnectionLost] and
// [apierror.TxnGone], the part lives on.
func (l *Ledger) Decide(ctx context.Context, s *store.Store, name string, q dbclient.TxnDecideRequest, until time.Time) error {
	p, err := l.take(ctx, s, q.TxnPart)
	if err != nil {
		return err
	}
	defer l.give(p)
	if len(q.Others) == 0 && !failpoint.Off("decide-in-gate") {
		ctx, end := p.within(ctx)
		defer end()
		leave, err := l.Gate.EnterAs(ctx, p.entry(gate.Writer, until))
		if err != nil {
			return l.because(ctx, p, err)
		}
		defer leave()
	}
	st, done, err := l.step(p, name, len(q.Others) > 0, true)
	if err != nil || done {
		return err
	}
	err = failpoint.Hit(ctx, "dbserver/transaction/decide", l.ID)
	if err == nil {
		err = st.part.Decide(s.Life(), q.Others, q.WaitForSync || len(q.Others) > 0)
	}
	return l.void(p, name, l.decided(p, st, err))
}

// decided notes the outcome of a decision.
func (l *Ledger) decided(p *part, st *stake, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(st.deciding)
	st.deciding = nil
	switch {
	case err == nil:
		st.phase, st.decided = settled, true
		if p.done() {
			_ = l.end(p, committed) // give releases it
		}
	case errors.Is(err, apierror.ConnectionLost):
		st.phase = settled
		_ = l.end(p, "the outcome of its commit is unknown")
	case st.lost:
		st.phase = settled
	default:
		st.phase = open
	}
	return err
}

// Reasons of parts that have ended well.
const (
	committed = "it is committed"
	aborted   = "it is aborted"
)
