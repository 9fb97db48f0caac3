// Package raftcall asks Raft for changes and waits for them no longer than a client would.
//
// A future of Raft ends when the change is committed or leadership is lost. Asking for it waits
// for Raft's loop, which stands still while the disk hangs. A Waiter gives up earlier, and says
// that the outcome is unknown.
package raftcall

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/agency/outcome"
)

// Outcome sorts an error of Raft into those of package outcome. Raft gives the first two before
// it writes an entry. After any other error the entry may exist somewhere and be committed
// later, so the outcome is unknown.
func Outcome(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", outcome.ErrNotLeader, err)
	default:
		return fmt.Errorf("%w: %w", outcome.ErrUnknown, err)
	}
}

// Waiter waits for changes that Raft is asked for.
type Waiter struct {
	running context.Context
	fence   *fence.Fence
	limit   time.Duration
	gone    chan struct{} // closed when Raft has stopped
	asking  sync.WaitGroup
}

// New makes a Waiter that waits for at most limit, and never longer than running lasts. gone is closed
// when Raft has stopped.
func New(running context.Context, f *fence.Fence, limit time.Duration, gone chan struct{}) *Waiter {
	return &Waiter{running: running, fence: f, limit: limit, gone: gone}
}

// Await calls ask and waits for the future. It returns nil if the change took effect, and an
// error of package outcome otherwise.
func (w *Waiter) Await(ctx context.Context, ask func() raft.Future) error {
	ended := make(chan error, 1)
	w.asking.Go(func() { ended <- ending(ask(), w.gone).Error() }) // ends with Raft at the latest
	timer := time.NewTimer(w.limit)
	defer timer.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return Outcome(err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: %w: no majority has accepted it within %s", outcome.ErrUnknown, outcome.ErrTimeout, w.limit)
	case <-w.fence.Raised():
		return fmt.Errorf("%w: %w", outcome.ErrUnknown, fence.ErrDiskHangs)
	case <-w.running.Done():
		return fmt.Errorf("%w: %w", outcome.ErrUnknown, outcome.ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", outcome.ErrUnknown, context.Cause(ctx))
	}
}

// Close returns when nothing waits for Raft any more. Call it after Raft has stopped.
func (w *Waiter) Close() { w.asking.Wait() }
