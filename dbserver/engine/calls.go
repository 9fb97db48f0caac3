package engine

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/dbserver/diskhealth"
	"stasis/internal/apierror"
)

// calls makes the calls that may have to wait for the disk.
type calls struct {
	watch     *diskhealth.Watch // of the disk; nil: a call waits for the disk as long as it takes
	fail      *failure
	log       hclog.Logger
	work      *sync.WaitGroup // has all of their goroutines
	workers   workers
	abandoned atomic.Int64 // calls that were abandoned and have not ended
}

// do makes a call in another goroutine, and abandons it when the disk hangs. A caller that
// holds a lock, or the gate, is therefore held by the disk no longer than the limit of the
// watch.
func (c *calls) do(f func() error) error {
	if c.watch == nil {
		return c.fail.guard(f)
	}
	w := c.workers.hire(c.work)
	w.calls <- func() error { return c.fail.guard(f) }
	select {
	case a := <-w.done:
		c.workers.rest(w)
		return a.get()
	case <-c.watch.Hung():
	}
	select {
	case a := <-w.done:
		c.workers.rest(w)
		return a.get()
	default:
	}
	c.abandoned.Add(1)
	c.work.Go(func() {
		c.note(<-w.done)
		c.abandoned.Add(-1)
		c.workers.rest(w)
	})
	return fmt.Errorf("%w: %w", ErrAbandoned, c.hangs())
}

// note logs what came of an abandoned call, which has no caller any more.
func (c *calls) note(a answer) {
	switch {
	case a.panic != nil:
		c.fail.set(fmt.Errorf("panic in an abandoned call: %v", a.panic))
	case a.err != nil:
		c.log.Warn("a call that was abandoned while the disk hung has failed", "error", a.err)
	}
}

// hangs is the error of a disk that was found to hang, also if it answers by now.
func (c *calls) hangs() error {
	if err := c.watch.Refusal(); err != nil {
		return err
	}
	return apierror.New(apierror.ServiceUnavailable, "the disk of this server hung")
}

// hung is the error with which what would write is refused while the disk hangs.
func (c *calls) hung() error {
	if c.watch == nil {
		return nil
	}
	return c.watch.Refusal()
}

// late is an operation of the disk that is older than bound.
func (c *calls) late(bound time.Duration) *diskhealth.Hang {
	if c.watch == nil {
		return nil
	}
	return c.watch.Over(bound)
}

// settled says that all abandoned calls have ended.
func (c *calls) settled() bool { return c.abandoned.Load() == 0 }
