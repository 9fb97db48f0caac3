package transfer

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// A remote that takes connections and says nothing makes its callers wait, some
// backends for minutes and whatever the context says: SFTP and FTP have no way to take
// a request back. Nobody who aborts a transfer or stops a server waits for that. So a
// call is left alone when its context ends. What it may still do then is bounded: the
// content of a Put ends with an error, what an Open brings is closed, and nobody hears
// of the rest. A removal or a list is as it would be had the request been on its way.

// farewell is how long a remote has for what is done there after the end of its job
// (sessions are closed), and how long calls that were left alone are waited for.
const farewell = 2 * time.Second

// errSilent: the job is over, and the remote did not answer in time.
var errSilent = fmt.Errorf("%w: it does not answer, and the transfer is over", ErrFinal)

// prompt is a Remote whose calls return when their context ends, or farewell after
// the end of the context that it was opened with. It embeds none: a call that it did not
// know would be waited for.
type prompt struct {
	remote Remote
	calls  *calls // that may have been left alone
	life   context.Context
	end    func()
}

// openPrompt opens a remote; what comes too late is closed.
func openPrompt(ctx context.Context, all *calls, open func() (Remote, error)) (*prompt, error) {
	r, err := within(ctx, all, open, func(late Remote) { _ = late.Close() })
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() { time.AfterFunc(farewell, func() { end(errSilent) }) })
	return &prompt{remote: r, calls: all, life: life, end: func() { unhook(); end(errSilent) }}, nil
}

// bound gives a context that ends with ctx and with the remote.
func (p *prompt) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(p.life, func() { cancel(context.Cause(p.life)) })
	return ctx, func() { unhook(); cancel(nil) }
}

func (p *prompt) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	ctx, unbind := p.bound(ctx)
	defer unbind()
	return p.do(ctx, func() error {
		return p.remote.Put(ctx, name, size, func() (io.ReadCloser, error) {
			in, err := open()
			if err != nil {
				return nil, err
			}
			return readCloser{&limited{in: in, ctx: ctx, count: func(int) {}}, in}, nil
		})
	})
}

func (p *prompt) Stat(ctx context.Context, name string) (Object, error) {
	ctx, unbind := p.bound(ctx)
	defer unbind()
	return within(ctx, p.calls, func() (Object, error) { return p.remote.Stat(ctx, name) }, nil)
}

func (p *prompt) List(ctx context.Context, folder string) ([]Object, error) {
	ctx, unbind := p.bound(ctx)
	defer unbind()
	return within(ctx, p.calls, func() ([]Object, error) { return p.remote.List(ctx, folder) }, nil)
}

func (p *prompt) Folders(ctx context.Context, folder string) ([]string, error) {
	ctx, unbind := p.bound(ctx)
	defer unbind()
	return within(ctx, p.calls, func() ([]string, error) { return p.remote.Folders(ctx, folder) }, nil)
}

func (p *prompt) Remove(ctx context.Context, name string) error {
	ctx, unbind := p.bound(ctx)
	defer unbind()
	return p.do(ctx, func() error { return p.remote.Remove(ctx, name) })
}

func (p *prompt) do(ctx context.Context, f func() error) error {
	_, err := within(ctx, p.calls, func() (struct{}, error) { return struct{}{}, f() }, nil)
	return err
}

// Open's reader is bound to the same context, until it is closed.
func (p *prompt) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	ctx, unbind := p.bound(ctx)
	in, err := within(ctx, p.calls, func() (io.ReadCloser, error) { return p.remote.Open(ctx, name) }, func(late io.ReadCloser) { _ = late.Close() })
	if err != nil {
		unbind()
		return nil, err
	}
	return &promptReader{ctx: ctx, unbind: unbind, in: in, calls: p.calls}, nil
}

// Close gives the remote back, with the credentials that it holds.
func (p *prompt) Close() error {
	defer p.end()
	return leave(p.life, p.calls, p.remote.Close)
}

// within runs f and returns when it has returned, or when ctx ends. Then f goes on
// alone, and what it brings is given to drop.
func within[T any](ctx context.Context, all *calls, f func() (T, error), drop func(T)) (none T, _ error) {
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

// promptReader reads through a buffer of its own: a read that was left alone may
// write to it later.
type promptReader struct {
	ctx    context.Context // of the one call that opened it
	unbind func()
	in     io.ReadCloser
	calls  *calls
	buffer []byte
	left   bool // a read was left alone: the buffer is its
}

func (r *promptReader) Read(p []byte) (int, error) {
	if r.left {
		return 0, context.Cause(r.ctx)
	}
	size := min(len(p), burst)
	if len(r.buffer) < size {
		r.buffer = make([]byte, size)
	}
	into := r.buffer[:size]
	n, err := within(r.ctx, r.calls, func() (int, error) { return r.in.Read(into) }, nil)
	if r.ctx.Err() != nil {
		r.left = true
		return 0, context.Cause(r.ctx)
	}
	return copy(p, into[:n]), err
}

// Close ends it.
func (r *promptReader) Close() error {
	defer r.unbind()
	return leave(r.ctx, r.calls, r.in.Close)
}

// leave closes something in any case, and waits for that a moment, but not if ctx has
// ended: then a remote has had its moment, and nobody wants to know.
func leave(ctx context.Context, all *calls, closing func() error) error {
	all.begin()
	closed := make(chan error, 1)
	go func() {
		defer all.end()
		closed <- closing()
	}()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
	case <-timer.C:
	}
	return nil
}

// calls counts what is under way.
type calls struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when there are none; nil: nobody waits
}

func (c *calls) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// wait returns how many are left: 0, or after d those that did not end.
func (c *calls) wait(d time.Duration) int {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return 0
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-idle:
		return 0
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
