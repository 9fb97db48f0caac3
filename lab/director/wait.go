package director

import (
	"context"
	"time"
)

// Bounds of a run, on the world's clock.
const (
	runLimit       = 20 * time.Minute // of the scenario's own part
	operationLimit = 6 * time.Minute  // of one operation: a backup waits for two minutes for its lock
	callLimit      = 30 * time.Second // of a call that is no operation
	leftLimit      = time.Minute      // until nothing is left, unless the scenario says
	serveLimit     = 2 * time.Minute  // until the cluster serves, unless the scenario says
	patience       = 30 * time.Second // how long a step waits for what servers do, once nothing else goes on
	holdLimit      = time.Minute      // of a hold that is not released
	grace          = 30 * time.Second // of the clients' last operations
	pause          = 250 * time.Millisecond
)

// sleep waits on the world's clock.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// until looks again and again until nothing is wrong, at most for limit, and says how long that took. The
// error is what was wrong last.
func until(ctx context.Context, limit time.Duration, look func(context.Context) error) (took time.Duration, err error) {
	begun := time.Now()
	for {
		bounded, cancel := context.WithTimeout(ctx, callLimit)
		err = look(bounded)
		cancel()
		if took = time.Since(begun); err == nil || took >= limit {
			return took, err
		}
		if sleep(ctx, pause) != nil {
			return took, err
		}
	}
}
