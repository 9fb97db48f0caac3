package locks

import (
	"context"
	"time"
)

// wait waits until w has what it wants, until a time of the table, or until ctx ends. mu is held when
// it is called and when it returns, and not meanwhile.
func (t *Table) wait(ctx context.Context, w *waiter, until time.Duration) error {
	if w.owner.ended != nil {
		return w.owner.ended
	}
	begin(w)
	if err := t.refusal(ctx, w, until); err != nil {
		giveUp(w, err)
		return err
	}
	timer := time.NewTimer(until - w.since)
	t.mu.Unlock()
	select {
	case <-w.woken:
	case <-timer.C:
	case <-ctx.Done():
	}
	timer.Stop()
	t.mu.Lock()
	if w.over {
		return w.err // also if the lock came together with the end of the wait
	}
	err := t.timedOut(w)
	if ctx.Err() != nil {
		err = t.abandoned(ctx, w)
	}
	giveUp(w, err)
	return err
}

// refusal is why a wait that has just begun must not go on; nil if it may.
func (t *Table) refusal(ctx context.Context, w *waiter, until time.Duration) error {
	if err := t.conflict(w); err != nil {
		return err
	}
	switch {
	case t.waiting > t.maxWaiters:
		return t.crowded(w)
	case ctx.Err() != nil:
		return t.abandoned(ctx, w)
	case until <= w.since:
		return t.timedOut(w)
	}
	return nil
}

// giveUp takes a waiter out of its queue, and lets in those behind it that it has kept out.
func giveUp(w *waiter, why error) {
	end(w, why)
	if w.key == nil {
		w.shard.admit()
	}
}
