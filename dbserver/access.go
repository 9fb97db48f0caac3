package dbserver

import (
	"context"
	"fmt"
	"sync"
)

// access lets requests in to the open data, and keeps them out while the data
// changes: around a swap of the engine, at start and at the end. Whoever shuts
// it waits until nobody is inside, so the engine below is never closed under a
// request.
type access struct {
	mu     sync.Mutex
	data   *data // nil: shut
	why    error // the answer while shut
	last   bool  // shut for good
	inside int
	empty  chan struct{} // closed when the last one leaves; nil while nobody waits for that
	end    context.Context
	cancel context.CancelCauseFunc // ends the contexts of those inside
}

// newAccess is shut.
func newAccess(why error) *access { return &access{why: why} }

// enter lets a request in. Its context ends, with the reason as cause, when
// access is shut; it must leave soon then. While shut, the answer is the reason.
func (a *access) enter(ctx context.Context) (_ context.Context, d *data, leave func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.data == nil {
		return nil, nil, nil, a.why
	}
	a.inside++
	ctx, cancel := context.WithCancelCause(ctx)
	end := a.end
	stop := context.AfterFunc(end, func() { cancel(context.Cause(end)) })
	return ctx, a.data, func() {
		stop()
		cancel(nil)
		a.leave()
	}, nil
}

func (a *access) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inside--
	if a.inside == 0 && a.empty != nil {
		close(a.empty)
		a.empty = nil
	}
}

// state says whether requests are let in, and if not, why.
func (a *access) state() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.data == nil {
		return a.why
	}
	return nil
}

// open lets requests in to d; it does nothing once access is shut for good.
func (a *access) open(d *data) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last {
		return
	}
	a.data, a.why = d, nil
	a.end, a.cancel = context.WithCancelCause(context.Background())
}

// shut keeps requests out, answering why, ends those inside, and waits until they
// have left, or until ctx ends, which is an error: then the data is still in use.
func (a *access) shut(ctx context.Context, why error) error {
	a.mu.Lock()
	if !a.last {
		a.why = why
	}
	open := a.data
	if open != nil {
		a.cancel(why)
		a.data = nil
	}
	if a.inside > 0 && a.empty == nil {
		a.empty = make(chan struct{})
	}
	empty := a.empty
	a.mu.Unlock()
	if open != nil {
		open.resign(why) // who waits for other replicas waits no more
	}
	if empty == nil {
		return nil
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for requests in flight: %w", ctx.Err())
	}
}

// shutForGood is shut; access is never opened again.
func (a *access) shutForGood(ctx context.Context, why error) error {
	a.mu.Lock()
	a.why, a.last = why, true
	a.mu.Unlock()
	return a.shut(ctx, why)
}

// vacant says that nobody is inside. Once access is shut it stays so.
func (a *access) vacant() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.inside == 0
}
