package storage

import (
	"context"
	"fmt"
	"io"
	"time"
)

// errSilent is the end of a call for which the remote took longer than grace.
var errSilent = fmt.Errorf("%w: it does not answer, and the transfer is over", ErrFinal)

// cancellable is a Remote whose calls return when their context ends, or grace after the
// end of the context that the remote was opened with. See Open.
//
// It embeds no Remote, so that no method of the interface can be forgotten here.
type cancellable struct {
	remote Remote
	calls  *Calls
	life   context.Context
	end    func()
}

// Open opens a remote. Each call of it, Open itself included, returns when its context
// ends, whatever the remote does.
//
// The caller needs that because a remote that accepts connections and sends nothing makes
// its callers wait, with some backends for minutes and whatever the context says: SFTP
// and FTP cannot take a request back. An abort of a transfer and the stop of a server
// must not wait for that. When a context ends, the call is therefore abandoned: it goes
// on in its goroutine, and all counts it. What an abandoned call may still do is bounded.
// The content of a Put ends with an error. What an Open returns is closed. A removal or a
// list has the effect of a request whose answer was lost.
func Open(ctx context.Context, all *Calls, open func() (Remote, error)) (Remote, error) {
	r, err := within(ctx, all, open, func(late Remote) { _ = late.Close() })
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() { time.AfterFunc(grace, func() { end(errSilent) }) })
	return &cancellable{remote: r, calls: all, life: life, end: func() { unhook(); end(errSilent) }}, nil
}

// bound returns a context that ends with ctx and with the remote.
func (c *cancellable) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(c.life, func() { cancel(context.Cause(c.life)) })
	return ctx, func() { unhook(); cancel(nil) }
}

func (c *cancellable) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	ctx, unbind := c.bound(ctx)
	defer unbind()
	return c.do(ctx, func() error {
		return c.remote.Put(ctx, name, size, func() (io.ReadCloser, error) {
			in, err := open()
			if err != nil {
				return nil, err
			}
			return Limited(ctx, in, nil, nil), nil
		})
	})
}

func (c *cancellable) Stat(ctx context.Context, name string) (Object, error) {
	ctx, unbind := c.bound(ctx)
	defer unbind()
	return within(ctx, c.calls, func() (Object, error) { return c.remote.Stat(ctx, name) }, nil)
}

func (c *cancellable) List(ctx context.Context, folder string) ([]Object, error) {
	ctx, unbind := c.bound(ctx)
	defer unbind()
	return within(ctx, c.calls, func() ([]Object, error) { return c.remote.List(ctx, folder) }, nil)
}

func (c *cancellable) Folders(ctx context.Context, folder string) ([]string, error) {
	ctx, unbind := c.bound(ctx)
	defer unbind()
	return within(ctx, c.calls, func() ([]string, error) { return c.remote.Folders(ctx, folder) }, nil)
}

func (c *cancellable) Remove(ctx context.Context, name string) error {
	ctx, unbind := c.bound(ctx)
	defer unbind()
	return c.do(ctx, func() error { return c.remote.Remove(ctx, name) })
}

func (c *cancellable) do(ctx context.Context, f func() error) error {
	_, err := within(ctx, c.calls, func() (struct{}, error) { return struct{}{}, f() }, nil)
	return err
}

// Open returns a reader that is bound to the same context, until it is closed.
func (c *cancellable) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	ctx, unbind := c.bound(ctx)
	in, err := within(ctx, c.calls, func() (io.ReadCloser, error) { return c.remote.Open(ctx, name) }, func(late io.ReadCloser) { _ = late.Close() })
	if err != nil {
		unbind()
		return nil, err
	}
	return &cancellableReader{ctx: ctx, unbind: unbind, in: in, calls: c.calls}, nil
}

// Close gives the remote back, with the credentials that it holds.
func (c *cancellable) Close() error {
	defer c.end()
	return closeWithin(c.life, c.calls, c.remote.Close)
}

// within calls f and returns when f has returned or ctx ends. In the second case f goes
// on alone, and drop gets what f returns.
func within[T any](ctx context.Context, all *Calls, f func() (T, error), drop func(T)) (none T, _ error) {
	type outcome struct {
		value T
		err   error
	}
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	done := make(chan outcome)
	all.begin()
	go func() {
		defer all.end()
		value, err := f()
		select {
		case done <- outcome{value, err}:
		case <-ctx.Done():
			if err == nil && drop != nil {
				drop(value)
			}
		}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// cancellableReader reads into a buffer of its own, because an abandoned read may write
// to its buffer later.
type cancellableReader struct {
	ctx       context.Context // of the one call that opened it
	unbind    func()
	in        io.ReadCloser
	calls     *Calls
	buffer    []byte
	abandoned bool // a read was abandoned and has the buffer
}

func (r *cancellableReader) Read(p []byte) (int, error) {
	if r.abandoned {
		return 0, context.Cause(r.ctx)
	}
	size := min(len(p), burst)
	if len(r.buffer) < size {
		r.buffer = make([]byte, size)
	}
	into := r.buffer[:size]
	n, err := within(r.ctx, r.calls, func() (int, error) { return r.in.Read(into) }, nil)
	if r.ctx.Err() != nil {
		r.abandoned = true
		return 0, context.Cause(r.ctx)
	}
	return copy(p, into[:n]), err
}

// Close closes what is read.
func (r *cancellableReader) Close() error {
	defer r.unbind()
	return closeWithin(r.ctx, r.calls, r.in.Close)
}

// closeWithin calls closing in any case. It waits for it at most for grace, and not after
// the end of ctx. An error that comes later is lost: nothing can be done about it.
func closeWithin(ctx context.Context, all *Calls, closing func() error) error {
	all.begin()
	closed := make(chan error, 1)
	go func() {
		defer all.end()
		closed <- closing()
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
	case <-timer.C:
	}
	return nil
}
