package wait

import (
	"context"
	"time"
)

// Backoff says how often a call is made, and how long the pauses between are.
type Backoff struct {
	First time.Duration // before the second call; each later pause is twice the one before
	Tries int           // of all calls; fewer than 1 count as 1
}

// Do calls do until it succeeds or its error is final, at most Tries times. It returns
// the last error of do. When ctx ends, Do does not call do again.
func (b Backoff) Do(ctx context.Context, final func(error) bool, do func() error) error {
	pause := b.First
	for try := 1; ; try++ {
		err := do()
		if err == nil || ctx.Err() != nil || try >= b.Tries || final(err) || For(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}
