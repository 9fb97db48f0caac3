package storage

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// burst is the most that one read returns under a limit.
const burst = 256 << 10

// NewLimiter returns a limiter for Limited; nil, which is no limit, for a rate that is
// not positive.
func NewLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), burst)
}

// Limited reads from in at the limiter's rate, and no more once ctx has ended. It tells
// count, if that is not nil, how many bytes each read returns.
func Limited(ctx context.Context, in io.ReadCloser, limit *rate.Limiter, count func(int)) io.ReadCloser {
	return &limited{ReadCloser: in, ctx: ctx, limit: limit, count: count}
}

type limited struct {
	io.ReadCloser
	ctx   context.Context // of the one call that reads
	limit *rate.Limiter   // nil: none
	count func(int)       // nil: not wanted
}

func (l *limited) Read(p []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	if l.limit != nil && len(p) > burst {
		p = p[:burst]
	}
	n, err := l.ReadCloser.Read(p)
	if l.limit != nil && n > 0 {
		if werr := l.limit.WaitN(l.ctx, n); werr != nil {
			return n, werr
		}
	}
	if l.count != nil {
		l.count(n)
	}
	return n, err
}
