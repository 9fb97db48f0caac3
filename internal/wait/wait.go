// Package wait has waits that end with their context.
package wait

import (
	"context"
	"time"
)

// For waits for d. If ctx ends first, it returns the cause of that; a ctx that has ended
// already wins over a d that is zero or negative.
func For(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Retry calls do until it succeeds, at most tries times, with a pause after each failure.
// It returns the last error of do. When ctx ends, Retry does not call do again.
func Retry(ctx context.Context, tries int, pause time.Duration, do func(context.Context) error) (err error) {
	for try := range tries {
		if try > 0 && For(ctx, pause) != nil {
			return err
		}
		if err = do(ctx); err == nil {
			return nil
		}
	}
	return err
}
