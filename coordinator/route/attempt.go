package route

import (
	"context"
	"errors"
	"sync"
	"time"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
)

// How long a leader may keep a request before it is asked whether it still leads,
// and how long an answer may be on its way when it does not.
const (
	suspicion = time.Second
	onItsWay  = 500 * time.Millisecond
)

// errOvertaken ends a request to a server that no longer leads the shard.
var errOvertaken = errors.New("the shard has another leader now")

// attempt is the context of one request to the leader of a shard. It ends after
// Router.Attempt, or when the leadership has passed to another: a leader that hands
// over answers what it has first, so one that has not answered by then is hanging,
// or cut off, and need not be waited for. end must be called.
func (r *Router) attempt(ctx context.Context, snap *catalog.Snapshot, coll *catalog.Collection, shard string) (_ context.Context, end func()) {
	ctx, cancel := context.WithTimeout(ctx, r.Attempt)
	ctx, overtake := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Add(1)
	timer := time.AfterFunc(suspicion, func() {
		defer watching.Done()
		if _, err := r.Catalog.Await(ctx, func(now *catalog.Snapshot) bool { return !same(snap, now, coll, shard) }); err != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(onItsWay):
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

// same says whether the leadership of a shard that one view knows goes on in another.
func same(old, now *catalog.Snapshot, coll *catalog.Collection, shard string) bool {
	if now.Epoch != old.Epoch {
		return false
	}
	c, ok := now.Collection(coll.Database, coll.ID)
	return ok && c.ShardTerms[shard] == coll.ShardTerms[shard]
}

// overtaken says in the error of a request why it was ended.
func overtaken(ctx context.Context, err error) error {
	if err == nil || context.Cause(ctx) != errOvertaken { //nolint:errorlint // the very cause
		return err
	}
	return apierror.New(apierror.ConnectionLost, "%w: %w", errOvertaken, err)
}
