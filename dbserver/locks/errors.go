package locks

import (
	"context"
	"errors"
	"fmt"

	"stasis/internal/apierror"
)

// ErrLong is returned to a brief owner that would have to wait for a patient one.
var ErrLong = errors.New("it is held for long")

// errReleased ends the waits of an owner that has released everything meanwhile.
var errReleased = errors.New("all locks of this owner were released while it waited")

// timedOut is the error of a wait that was too long.
func (t *Table) timedOut(w *waiter) error {
	return apierror.New(apierror.LockTimeout, "timeout: %s was not free within %s: %s", w.target(), round(t.now()-w.since), t.describeBlockers(w))
}

// deadlocked is the error of a wait that would close a cycle.
func (t *Table) deadlocked(cycle []step) error {
	return apierror.New(apierror.Deadlock, "deadlock: this would wait for ever: %s. Abort the transaction, and begin it again", t.describeCycle(cycle))
}

// crowded is the error of a wait that is one too many.
func (t *Table) crowded(w *waiter) error {
	return apierror.New(apierror.ResourceLimit, "%s is not free, and %d operations wait for locks on this server already: try again later: %s", w.target(), t.waiting-1, t.describeBlockers(w))
}

// abandoned is the error of a wait whose context has ended.
func (t *Table) abandoned(ctx context.Context, w *waiter) error {
	return fmt.Errorf("wait for %s, for %s until now: %s: %w", w.target(), round(t.now()-w.since), t.describeBlockers(w), context.Cause(ctx))
}
