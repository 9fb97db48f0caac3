package client

import (
	"context"
	"time"

	"stasis/internal/wait"
)

const (
	firstPause   = 20 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// backoff is the length of the next pause between attempts.
type backoff time.Duration

func newBackoff() backoff { return backoff(firstPause) }

// wait pauses, and doubles the next pause up to longestPause. The error is the cause of the end
// of ctx.
func (b *backoff) wait(ctx context.Context) error {
	pause := time.Duration(*b)
	*b = backoff(min(2*pause, longestPause))
	return wait.For(ctx, pause)
}
