package shard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// lockWait bounds how long the operations of one call wait for locks outside the gate, all together, and how long each waits
// for a brief owner. It is well below the time that a coordinator gives a request (60 s), so that a client learns who has what
// it wants.
const lockWait = 10 * time.Second

// claim takes locks for the operations of one call, for one after the other. It has them while an
// outcome is decided and numbered, not while it is replicated.
type claim struct {
	owner    locks.Owner
	waiting  dbclient.Waiting
	patience time.Duration // what is left of lockWait
	outside  error         // why it is outside the gate for good
}

// claims are kept to be used again: the lock table knows their owners, so none of them is on a stack.
var claims = sync.Pool{New: func() any { return new(claim) }}

// claimOf is brief as long as it is inside a gate: the gate must not wait for a transaction that waits
// for the gate. end must be called when it has released everything.
func claimOf(w dbclient.Waiting) *claim {
	l := claims.Get().(*claim)
	l.waiting, l.patience, l.owner.Patient = w, lockWait, patient(w)
	return l
}

func (l *claim) end() {
	l.waiting, l.outside = dbclient.Waiting{}, nil
	claims.Put(l)
}

func patient(w dbclient.Waiting) bool {
	return w.Passage == nil || failpoint.Off("locks-are-waited-for-outside-the-gate")
}

// until is what ends a wait: the client's context, or ctx if there is none.
func (l *claim) until(ctx context.Context) context.Context {
	return orElse(l.waiting.Client, ctx)
}

// orElse is the client's context, if there is one.
func orElse(client, ctx context.Context) context.Context {
	if client != nil {
		return client
	}
	return ctx
}

// release hands on what it has.
func (l *claim) release(t *locks.Table) {
	t.Release(&l.owner)
	l.owner.Patient = patient(l.waiting)
}

// aside waits outside the gate, and has what it waited for when it is inside again; after an error it has
// nothing. Nothing that it has numbered may be on its way meanwhile, and it has no lock.
func (l *claim) aside(ctx context.Context, t *locks.Table, acquire func(context.Context) error) (err error) {
	l.owner.Patient = true
	outside := l.waiting.Passage.Aside(func() {
		begun := time.Now()
		if until := l.waiting.Until; !until.IsZero() {
			l.patience = min(l.patience, max(until.Sub(begun), 0))
		}
		err = acquire(l.until(ctx))
		l.patience -= min(l.patience, time.Since(begun))
		if err != nil { // the gate may be closed
			t.Release(&l.owner)
		}
	})
	if outside != nil {
		l.release(t)
		l.outside = refused(fmt.Errorf("after the wait for a lock: %w", outside))
		return errors.Join(err, l.outside)
	}
	return err
}

// refused makes the error of one operation of that of a wait. Nothing was done.
func refused(err error) error {
	var known *apierror.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return apierror.New(apierror.Cancelled, "%w", err)
}
