package store

import (
	"context"
	"fmt"
	"sync"
)

// Access lets requests in to the open data, and keeps them out while the data changes: around
// a swap of the engine, at start and at the end. Shut waits until no request is inside, so
// the engine is never closed under a request: an iterator that is open across a close is a
// crash. Its methods may be used from any goroutine.
type Access struct {
	mu     sync.Mutex
	open   *Store // nil: shut
	why    error  // the answer while shut
	last   bool   // shut for good
	inside int
	empty  chan struct{} // closed when the last one leaves; nil while no goroutine waits for that
	end    context.Context
	cancel context.CancelCauseFunc // ends the contexts of those inside
}

// NewAccess is shut, answering why.
func NewAccess(why error) *Access { return &Access{why: why} }

// Enter lets a request in. The context that it returns ends, with the reason as cause, when
// Access is shut; the request must leave soon then. While Access is shut, Enter returns the
// reason.
func (a *Access) Enter(ctx context.Context) (_ context.Context, s *Store, leave func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		return nil, nil, nil, a.why
	}
	a.inside++
	ctx, cancel := context.WithCancelCause(ctx)
	end := a.end
	stop := context.AfterFunc(end, func() { cancel(context.Cause(end)) })
	return ctx, a.open, func() {
		stop()
		cancel(nil)
		a.leave()
	}, nil
}

func (a *Access) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inside--
	if a.inside == 0 && a.empty != nil {
		close(a.empty)
		a.empty = nil
	}
}

// State is nil if requests are let in, and otherwise the reason why not.
func (a *Access) State() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		return a.why
	}
	return nil
}

// Open lets requests in to s; it does nothing once Access is shut for good.
func (a *Access) Open(s *Store) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last {
		return
	}
	a.open, a.why = s, nil
	a.end, a.cancel = context.WithCancelCause(context.Background())
}

// Shut keeps requests out, answering why, ends those inside, and waits until they have left,
// or until ctx ends. That is an error: the data is still in use then.
func (a *Access) Shut(ctx context.Context, why error) error {
	a.mu.Lock()
	if !a.last {
		a.why = why
	}
	open := a.open
	if open != nil {
		a.cancel(why)
		a.open = nil
	}
	if a.inside > 0 && a.empty == nil {
		a.empty = make(chan struct{})
	}
	empty := a.empty
	a.mu.Unlock()
	if open != nil {
		open.resign(why) // a writer that waits for other replicas does not see its context: this ends its wait
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

// ShutForGood is Shut; Access is never opened again.
func (a *Access) ShutForGood(ctx context.Context, why error) error {
	a.mu.Lock()
	a.why, a.last = why, true
	a.mu.Unlock()
	return a.Shut(ctx, why)
}

// Vacant says that no request is inside. Once Access is shut it stays so.
func (a *Access) Vacant() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.inside == 0
}
