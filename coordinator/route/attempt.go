package route

import (
	"context"
	"errors"
	"sync"
	"time"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// suspicion is how long a leader may work on a request before the coordinator watches whether it
// still leads. onItsWay is how long its answer may take when it does not.
const (
	suspicion = time.Second
	onItsWay  = 500 * time.Millisecond
)

// errOvertaken ends a request to a server that no longer leads the shard.
var errOvertaken = errors.New("the shard has another leader now")

// attempt returns the context of one request to the leader of a shard. It ends after
// Router.Attempt (a transaction adds what it may wait for locks), or when the leadership has passed to another server: a leader that hands over
// answers its requests first. So one that has not answered by then hangs or is cut off, and its
// answer will not come. end must be called.
func (r *Router) attempt(ctx context.Context, snap *catalog.Snapshot, coll *catalog.Collection, shard string) (_ context.Context, end func()) {
	ctx, cancel := context.WithTimeout(ctx, r.longest(ctx))
	ctx, overtake := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Add(1)
	timer := time.AfterFunc(suspicion, func() {
		defer watching.Done()
		if _, err := r.Catalog.Await(ctx, func(now *catalog.Snapshot) bool { return !same(snap, now, coll, shard) }); err != nil {
			return
		}
		if wait.For(ctx, onItsWay) == nil {
			overtake(errOvertaken)
		}
	})
	return ctx, func() {
		if timer.Stop() {
			watching.Done()
		}
		cancel()
		overtake(nil)
		watching.Wait()
	}
}

// same says whether the leadership of a shard in one snapshot goes on in another.
func same(old, now *catalog.Snapshot, coll *catalog.Collection, shard string) bool {
	if now.Epoch != old.Epoch {
		return false
	}
	c, ok := now.Collection(coll.Database, coll.ID)
	return ok && c.ShardTerms[shard] == coll.ShardTerms[shard]
}

// overtaken adds to the error of a request that it was ended because of another leader.
func overtaken(ctx context.Context, err error) error {
	if err == nil || context.Cause(ctx) != errOvertaken { //nolint:errorlint // the very cause
		return err
	}
	return apierror.New(apierror.ConnectionLost, "%w: %w", errOvertaken, err)
}
