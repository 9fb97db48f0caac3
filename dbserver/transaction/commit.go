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
	p, err := l.registry.take(ctx, s, q.TxnPart)
	if err != nil {
		return err
	}
	defer l.registry.give(p)
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
		return l.registry.because(ctx, p, err)
	}
	leave, err := l.Gate.TryEnterAs(p.entry(gate.Committing, time.Time{}))
	if err != nil {
		return err
	}
	l.registry.mu.Lock()
	defer l.registry.mu.Unlock()
	p.places.committing = leave
	return nil
}

// Leave leaves the gate, unless a shard of the part is prepared, or may be.
func (l *Ledger) Leave(ctx context.Context, s *store.Store, q dbclient.TxnPart) error {
	p, err := l.registry.take(ctx, s, q)
	if errors.Is(err, apierror.TxnGone) {
		return nil // then it is outside, or bound
	}
	if err != nil {
		return err
	}
	defer l.registry.give(p)
	l.registry.mu.Lock()
	leave := p.places.committing
	if leave == nil || p.bound() {
		l.registry.mu.Unlock()
		return nil
	}
	p.places.committing = nil
	l.registry.mu.Unlock()
	leave()
	return nil
}

// Prepare makes what a part has written on a shard ready to be committed. The part must be inside the gate as committing. After
// [apierror.ConnectionLost] the shard may be prepared: then it asks its home what becomes of the transaction.
func (l *Ledger) Prepare(ctx context.Context, s *store.Store, name string, q dbclient.TxnPrepareRequest) error {
	if q.Home.Shard == "" || q.Home.Shard == name {
		return apierror.New(apierror.BadParameter, "shard %s cannot have %q as the home of what it prepares", name, q.Home.Shard)
	}
	p, err := l.registry.take(ctx, s, q.TxnPart)
	if err != nil {
		return err
	}
	defer l.registry.give(p)
	st, done, err := l.registry.step(p, name, true, false)
	if err != nil || done {
		return err
	}
	err = failpoint.Hit(ctx, "dbserver/transaction/prepare", l.ID)
	if err == nil {
		err = st.part.Prepare(s.Life(), q.Home)
	}
	if err == nil {
		_ = failpoint.Hit(ctx, "dbserver/transaction/prepared", l.ID) // it waits, and never fails
	}
	l.registry.mu.Lock()
	switch {
	case st.lost:
		st.phase = settled
	case err == nil || errors.Is(err, apierror.ConnectionLost):
		st.phase = prepared
	default:
		st.phase = open
	}
	l.registry.mu.Unlock()
	if err == nil {
		overtaken(l, s, name, p.id)
	}
	return l.registry.void(p, name, err)
}

// overtaken lets go of a shard that was resolved before its preparation was answered: that took so long that the shard has asked its
// home. Nobody else would: who resolves lets go of what is prepared only, and nothing is left that is asked for.
func overtaken(l *Ledger, s *store.Store, name string, id dbclient.TxnID) {
	on, err := s.Replica(name)
	if err != nil {
		return // it is dropped: its leadership ends, and with it the part
	}
	if waits, err := on.Shard.Transactions().InDoubt(id); err == nil && !waits && !failpoint.Off("prepared-may-be-overtaken") {
		l.settle(name, id, false)
	}
}

// Decide commits a transaction on its home shard. With others the part must be inside the gate as committing; without, it passes
// the gate like a write, and waits no longer than until. After [apierror.GateClosed], and any other error but [apierror.ConnectionLost] and
// [apierror.TxnGone], the part lives on.
func (l *Ledger) Decide(ctx context.Context, s *store.Store, name string, q dbclient.TxnDecideRequest, until time.Time) error {
	p, err := l.registry.take(ctx, s, q.TxnPart)
	if err != nil {
		return err
	}
	defer l.registry.give(p)
	if len(q.Others) == 0 && !failpoint.Off("decide-in-gate") {
		ctx, end := p.within(ctx)
		defer end()
		leave, err := l.Gate.EnterAs(ctx, p.entry(gate.Writer, until))
		if err != nil {
			return l.registry.because(ctx, p, err)
		}
		defer leave()
	}
	st, done, err := l.registry.step(p, name, len(q.Others) > 0, true)
	if err != nil || done {
		return err
	}
	err = failpoint.Hit(ctx, "dbserver/transaction/decide", l.ID)
	if err == nil {
		err = st.part.Decide(s.Life(), q.Others, q.WaitForSync || len(q.Others) > 0)
	}
	return l.registry.void(p, name, l.registry.decided(p, st, err))
}
