package readindex

import (
	"context"
	"sync"

	"stasis/agency/leadership"
	"stasis/fsm"
)

// confirmation is one confirmation of leadership, shared by all readers that were waiting when
// it began.
type confirmation struct {
	done  chan struct{} // closed when the fields below are set
	state *fsm.State
	by    *leadership.Leadership
	err   error
}

// batches lets readers share confirmations. A reader may only use one that begins after it has
// asked, so readers that come during a confirmation wait for the next one.
type batches struct {
	wake chan struct{}

	mu   sync.Mutex
	next *confirmation
}

func newBatches() *batches { return &batches{wake: make(chan struct{}, 1)} }

// join enters the next confirmation.
func (b *batches) join() *confirmation {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = &confirmation{done: make(chan struct{})}
		select {
		case b.wake <- struct{}{}:
		default: // the loop is already due
		}
	}
	return b.next
}

// begin closes the next confirmation to newcomers.
func (b *batches) begin() *confirmation {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.next
	b.next = nil
	return next
}

// run makes one confirmation after the other until ctx ends.
func (b *batches) run(ctx context.Context, confirm func() (*fsm.State, *leadership.Leadership, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		if next := b.begin(); next != nil {
			next.state, next.by, next.err = confirm()
			close(next.done)
		}
	}
}
