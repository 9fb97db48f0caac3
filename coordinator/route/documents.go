package route

import (
	"context"
	"slices"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Documents applies operations. If it returns an error, none was applied.
func (r *Router) Documents(ctx context.Context, req Request) (Outcome, error) {
	if err := req.Snapshot.Converged(); err != nil {
		if err := r.catchUp(ctx, &req); err != nil {
			return Outcome{}, err
		}
	}
	if len(req.Collection.ShardNames) == 0 {
		return Outcome{}, noShard(req.Collection, "it has no shards")
	}
	if len(req.Spots) != len(req.Ops) && req.Collection.SpreadBy() != nil {
		return Outcome{}, apierror.New(apierror.Internal, "nothing was applied: %d of %d operations on collection %s have a place", len(req.Spots), len(req.Ops), req.Collection.Name)
	}
	servers, err := r.servers(ctx, req.Collection, writes(req.Ops))
	if err != nil {
		return Outcome{}, err
	}
	d := &dispatch{router: r, servers: servers, req: &req, results: make([]dbclient.OpResult, len(req.Ops)), synced: true, returning: req.returning()}
	if req.Spots != nil {
		if err := d.place(ctx); err != nil {
			return Outcome{}, err
		}
	}
	pending := d.begin()
	tries := newRetries(r.Retry)
	snap, coll := req.Snapshot, req.Collection
	for {
		d.sendAll(ctx, snap, coll, pending)
		if pending = d.again(); len(pending) == 0 || !tries.wait(ctx) {
			break
		}
		newer := r.sync(ctx)
		found, err := newer.Find(req.Ref.Database, req.Ref.Name)
		// Keys that were made in an earlier epoch may exist in the restored data.
		if err == nil && req.Pinned && newer.Epoch != req.Snapshot.Epoch {
			err = epochOver()
		}
		if err == nil {
			err = d.stillPlaced(found)
		}
		if err != nil {
			d.fail(pending, err)
			break
		}
		snap, coll = newer, found
	}
	for i, err := range d.failed {
		d.note(i, err)
	}
	return Outcome{Results: d.results, Synced: d.synced}, nil
}

// writes says whether there is an operation that changes something.
func writes(ops []dbclient.Op) bool {
	return slices.ContainsFunc(ops, func(op dbclient.Op) bool { return op.Kind != dbclient.OpRead })
}

// catchUp gives a request a newer snapshot: the cache may be behind the end of a restore. Only one that has not converged either
// refuses the request.
func (r *Router) catchUp(ctx context.Context, req *Request) error {
	snap := r.sync(ctx)
	coll, err := snap.Find(req.Ref.Database, req.Ref.Name)
	if err != nil {
		return err
	}
	if err := snap.Converged(); err != nil {
		return err
	}
	if req.Pinned && snap.Epoch != req.Snapshot.Epoch {
		return epochOver()
	}
	if err := sharedOut(req.Collection, coll); err != nil {
		return err
	}
	req.Snapshot, req.Collection = snap, coll
	return nil
}
