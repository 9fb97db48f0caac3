package backup

import (
	"context"
	"errors"
	"time"

	"stasis/internal/apierror"
)

// errOverdue is why the context of an operation has ended whose deadline is over.
var errOverdue = errors.New("the deadline is over")

// withDeadline bounds an operation up to its commit point; 0 is no bound.
func withDeadline(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, errOverdue)
}

// overdue says what an operation was doing when its deadline was over.
func (op *operation) overdue(err error) error {
	if !errors.Is(err, errOverdue) {
		return err
	}
	doing := "beginning"
	if phase := op.phase.Load(); phase != nil {
		doing = *phase
	}
	return apierror.New(apierror.ClusterTimeout, "%w after %v, while %s of backup %s was at: %s",
		err, time.Since(op.began).Round(time.Millisecond), op.name, op.id, doing)
}

func badDeadline(command string) error {
	return apierror.New(apierror.BadParameter, "%s: deadline must be positive", command)
}
