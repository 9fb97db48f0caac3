package operation

import (
	"context"
	"errors"
	"math"
	"time"

	"stasis/internal/apierror"
)

// Bounds of the timeout of a create or a restore.
const (
	defaultTimeout = 120 * time.Second
	MinimalTimeout = 2500 * time.Millisecond // a shorter one is raised to this
	MaximalTimeout = 30 * 24 * time.Hour     // a longer one is cut to this
)

// Timeout returns the timeout for a request within its bounds; 0 means the default.
func Timeout(d time.Duration) time.Duration {
	if d <= 0 {
		d = defaultTimeout
	}
	return min(max(d, MinimalTimeout), MaximalTimeout)
}

// Duration converts seconds, as clients and servers send them, to a duration of at most
// [MaximalTimeout].
func Duration(seconds float64) time.Duration {
	if seconds >= MaximalTimeout.Seconds() {
		return MaximalTimeout
	}
	return time.Duration(math.Round(seconds * float64(time.Second)))
}

// errOverdue is the cause when an operation ends at its deadline.
var errOverdue = errors.New("the deadline is over")

// WithDeadline bounds an operation up to its commit point. 0 means no bound.
func WithDeadline(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, errOverdue)
}

// Overdue adds to the error of a deadline the step at which the operation was, and makes it
// [apierror.ClusterTimeout]. Other errors stay as they are.
func (op *Operation) Overdue(err error) error {
	if !errors.Is(err, errOverdue) {
		return err
	}
	doing := op.Phase()
	if doing == "" {
		doing = "beginning"
	}
	return apierror.New(apierror.ClusterTimeout, "%w after %v, while %s of backup %s was at: %s",
		err, time.Since(op.Began).Round(time.Millisecond), op.Name, op.ID, doing)
}

// BadDeadline is the error of a request whose deadline is not positive.
func BadDeadline(command string) error {
	return apierror.New(apierror.BadParameter, "%s: deadline must be positive", command)
}
