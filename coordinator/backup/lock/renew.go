package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// beat renews the lock, if it is still this one, and writes the operation's phase. It returns the
// index of the agency.
func (l *Lock) beat(ctx context.Context, n uint64) (uint64, error) {
	ops := map[string]any{keys.HotBackupBeat: agencyclient.Set(n)}
	if phase := l.op.Phase(); phase != "" {
		ops[keys.HotBackupPhase] = agencyclient.Set(phase)
	}
	return l.locker.Agency.Write(ctx, agencyclient.Tx{Ops: ops, Pre: l.Precondition()})
}

// keepAlive renews the lock every third of its lease until Stop. The lease begins when the lock was
// asked for. The context that keepAlive returns ends when the lock is lost, or when no renewal
// succeeds for a lease.
func (l *Lock) keepAlive(ctx context.Context, asked time.Time) context.Context {
	work, end := context.WithCancelCause(ctx)
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx)) // it goes on during an undo
	l.end = func(cause error) { stop(); end(cause) }
	l.done.Go(func() {
		if err := l.renew(renewing, asked); err != nil {
			l.op.Log.Warn("agency lock lost", "error", err)
			end(err)
		}
	})
	return work
}

// renew returns nil when ctx ends, and an error when the lock is lost.
func (l *Lock) renew(ctx context.Context, renewed time.Time) error {
	lease := l.locker.Lease
	for n := uint64(2); ; n++ {
		if wait.For(ctx, lease/3) != nil {
			return nil
		}
		asked := time.Now()
		call, done := context.WithDeadline(ctx, renewed.Add(lease))
		_, err := l.beat(call, n)
		done()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			renewed = asked
		case errors.Is(err, agencyclient.ErrPrecondition) && !failpoint.Off("lost-lock-ends-work"):
			return ErrLost
		case time.Since(renewed) >= lease:
			return fmt.Errorf("%w: not renewed for %v: %w", ErrLost, lease, err)
		}
	}
}
