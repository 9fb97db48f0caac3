package transfer

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/time/rate"
)

// Timing holds this package's intervals; a zero field gets its default.
type Timing struct {
	Hold    time.Duration // between accepting a job and starting, so that an abort at once finds nothing done; 1 s
	Report  time.Duration // between two reports of progress to the agency; 1 s
	Retry   time.Duration // before the agency is asked again; 1 s
	Lease   time.Duration // a session at the remote that has not changed for so long is dead; 1 min
	Backoff time.Duration // before the second try of a call to the remote; doubles; 250 ms
	Tries   int           // of one call to the remote; 6
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&t.Hold, time.Second)
	set(&t.Report, time.Second)
	set(&t.Retry, time.Second)
	set(&t.Lease, time.Minute)
	set(&t.Backoff, 250*time.Millisecond)
	if t.Tries <= 0 {
		t.Tries = 6
	}
	return t
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// patient tries the calls of a Remote again when they fail for a reason that may
// pass: the remote is away, throttles, or answers nonsense.
type patient struct {
	Remote
	timing Timing
}

func (p patient) again(ctx context.Context, f func() error) error {
	wait := p.timing.Backoff
	for try := 1; ; try++ {
		err := f()
		switch {
		case err == nil, ctx.Err() != nil, try >= p.timing.Tries:
			return err
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrFinal), errors.Is(err, errLocal):
			return err
		}
		if pause(ctx, wait) != nil {
			return err
		}
		wait *= 2
	}
}

func (p patient) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	return p.again(ctx, func() error { return p.Remote.Put(ctx, name, size, open) })
}

func (p patient) Open(ctx context.Context, name string) (in io.ReadCloser, err error) {
	err = p.again(ctx, func() error { in, err = p.Remote.Open(ctx, name); return err })
	return in, err
}

func (p patient) Stat(ctx context.Context, name string) (o Object, err error) {
	err = p.again(ctx, func() error { o, err = p.Remote.Stat(ctx, name); return err })
	return o, err
}

func (p patient) List(ctx context.Context, folder string) (all []Object, err error) {
	err = p.again(ctx, func() error { all, err = p.Remote.List(ctx, folder); return err })
	return all, err
}

func (p patient) Folders(ctx context.Context, folder string) (all []string, err error) {
	err = p.again(ctx, func() error { all, err = p.Remote.Folders(ctx, folder); return err })
	return all, err
}

func (p patient) Remove(ctx context.Context, name string) error {
	return p.again(ctx, func() error { return p.Remote.Remove(ctx, name) })
}

// limited lets bytes through at a limiter's rate, and counts them.
type limited struct {
	in    io.Reader
	ctx   context.Context // of the one call that reads
	limit *rate.Limiter   // nil: none
	count func(int)
}

// burst is the most that is read at once under a limit.
const burst = 256 << 10

func newLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), burst)
}

func (l *limited) Read(p []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	if l.limit != nil && len(p) > burst {
		p = p[:burst]
	}
	n, err := l.in.Read(p)
	if l.limit != nil && n > 0 {
		if werr := l.limit.WaitN(l.ctx, n); werr != nil {
			return n, werr
		}
	}
	l.count(n)
	return n, err
}
