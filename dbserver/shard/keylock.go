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

// lockWait bounds how long the operations of one call wait for locks outside the gate, all together. It is well below the
// time that a coordinator gives a request (60 s), so that a client learns who has what it wants.
const lockWait = 10 * time.Second

// claim takes locks for the operations of one call, for one after the other. It has them while an
// outcome is decided and numbered, not while it is replicated.
type claim struct {
	owner    locks.Owner
	waiting  dbclient.Waiting
	patience time.Duration // what is left of lockWait
	outside  bool          // of the gate, for good
}

// claims are kept to be used again: the lock table knows their owners, so none of them is on a stack.
var claims = sync.Pool{New: func() any { return new(claim) }}

// claimOf is brief as long as it is inside a gate: the gate must not wait for a transaction that waits
// for the gate. end must be called when it has released everything.
func claimOf(w dbclient.Waiting) *claim {
	c := claims.Get().(*claim)
	c.waiting, c.patience, c.owner.Patient = w, lockWait, patient(w)
	return c
}

func (c *claim) end() {
	c.waiting, c.outside = dbclient.Waiting{}, false
	claims.Put(c)
}

func patient(w dbclient.Waiting) bool {
	return w.Passage == nil || failpoint.Off("locks-are-waited-for-outside-the-gate")
}

// until is what ends a wait: the client's context, or ctx if there is none.
func (c *claim) until(ctx context.Context) context.Context {
	if c.waiting.Client != nil {
		return c.waiting.Client
	}
	return ctx
}

// release hands on what it has.
func (c *claim) release(t *locks.Table) {
	t.Release(&c.owner)
	c.owner.Patient = patient(c.waiting)
}

// aside waits outside the gate, and has what it waited for when it is inside again. Nothing that it has
// numbered may be on its way meanwhile, and it has no lock.
func (c *claim) aside(ctx context.Context, acquire func(context.Context) error) (err error) {
	c.owner.Patient = true
	outside := c.waiting.Passage.Aside(func() {
		begun := time.Now()
		if until := c.waiting.Until; !until.IsZero() {
			c.patience = min(c.patience, max(until.Sub(begun), 0))
		}
		err = acquire(c.until(ctx))
		c.patience -= min(c.patience, time.Since(begun))
	})
	if outside != nil {
		c.outside = true
		return errors.Join(err, fmt.Errorf("after the wait for a lock: %w", outside))
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

// lock takes a key for an operation. Its error is the operation's, unless it has set c.ended.
func (c *chunk) lock(ctx context.Context, key string) error {
	s, l := c.shard, c.claim
	err := s.locks.Key(l.until(ctx), &l.owner, key, l.patience)
	if err == nil {
		return nil
	}
	l.release(s.env.Locks)
	if errors.Is(err, locks.ErrLong) {
		if !failpoint.Off("gate-is-left-with-nothing-in-flight") {
			c.ended = c.await(ctx)
		}
		if c.ended != nil {
			return c.ended
		}
		err = l.aside(ctx, func(ctx context.Context) error { return s.locks.Key(ctx, &l.owner, key, l.patience) })
		if err == nil { // who leads, and whether the disk takes writes, may have changed
			c.quorum, err = s.quorum()
		}
	}
	if err != nil {
		l.release(s.env.Locks)
	}
	return refused(err)
}

// lockWhole takes the whole shard. Nothing is numbered yet.
func (s *Shard) lockWhole(ctx context.Context, l *claim) error {
	err := s.locks.Whole(l.until(ctx), &l.owner, l.patience)
	if errors.Is(err, locks.ErrLong) {
		err = l.aside(ctx, func(ctx context.Context) error { return s.locks.Whole(ctx, &l.owner, l.patience) })
	}
	if err != nil {
		l.release(s.env.Locks)
	}
	return refused(err)
}
