package operation

import (
	"context"
	"sync"
	"time"

	"stasis/internal/apierror"
)

// errStopping is the cause when a command ends with its service.
var errStopping = apierror.New(apierror.ShuttingDown, "this coordinator is stopping")

// Life is the time from the start of a service to its end. It makes the contexts of commands,
// which end with the service, and waits for the commands at the end. Any goroutine may call its
// methods.
type Life struct {
	ctx  context.Context
	stop context.CancelCauseFunc

	mu      sync.Mutex
	ended   bool
	working sync.WaitGroup
}

// NewLife makes a Life. End ends it.
func NewLife() *Life {
	l := &Life{}
	l.ctx, l.stop = context.WithCancelCause(context.Background())
	return l
}

// Enter returns the context of a command, which ends with the caller's and with the service. The
// command calls leave at its end. After End, Enter fails with [apierror.ShuttingDown].
func (l *Life) Enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil, nil, errStopping
	}
	l.working.Add(1)
	ctx, cancel := l.follow(ctx)
	return ctx, func() { cancel(); l.working.Done() }, nil
}

// AfterCommit returns the context for what follows a commit point: it outlives the caller, and
// ends after d or with the service.
func (l *Life) AfterCommit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, unfollow := l.follow(context.WithoutCancel(ctx))
	ctx, cancel := context.WithTimeout(ctx, d)
	return ctx, func() { cancel(); unfollow() }
}

// End refuses new commands, cancels those that run, and waits for them. They undo what is
// not committed.
func (l *Life) End() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.stop(errStopping)
	l.working.Wait()
}

// follow returns a context that ends with ctx and with the service.
func (l *Life) follow(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })
	return ctx, func() { unhook(); cancel(context.Canceled) }
}
