package documents

import (
	"context"

	"stasis/coordinator/document"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/shardkey"
)

// batch is operations that go to the shards together, and the errors of those that cannot be
// sent.
type batch struct {
	ops    []dbclient.Op
	errs   []*apierror.Error // by operation; nil: it is to be sent
	spots  []shardkey.Spot   // by operation, if placed
	placed bool              // the collection has other shard keys than _key
	pinned bool              // keys were made in the restore epoch of the request's snapshot
}

// newBatch returns an empty batch of the request's operations.
func (q *request) newBatch() batch { return batch{placed: q.rules.ShardKeys != nil} }

func (b *batch) add(op document.Operation, err error) {
	var e *apierror.Error
	if err != nil {
		e = apierror.From(err)
	}
	b.ops, b.errs = append(b.ops, op.Op), append(b.errs, e)
	b.pinned = b.pinned || op.Generated
	if b.placed {
		b.spots = append(b.spots, op.Spot)
	}
}

// send applies the operations that have no error yet, within bounds. It returns a result for
// each operation of the batch, and sets the errors of those that failed. synced says that the
// client asked for data on disk, and that all of it is. If send fails, nothing was applied.
func (b *batch) send(ctx context.Context, router Router, q *request, bounds route.Bounds) (results []dbclient.OpResult, synced bool, err error) {
	var send []dbclient.Op
	var places []int
	var spots []shardkey.Spot
	for i, op := range b.ops {
		if b.errs[i] != nil {
			continue
		}
		send, places = append(send, op), append(places, i)
		if b.placed {
			spots = append(spots, b.spots[i])
		}
	}
	out, err := router.Documents(ctx, route.Request{
		Ref: q.ref, Snapshot: q.snap, Collection: q.coll, Ops: send, Spots: spots, Bounds: bounds, Pinned: b.pinned,
		WaitForSync: q.waitForSync, ReturnOld: q.returnOld && !q.silent, ReturnNew: q.returnNew && !q.silent,
	})
	if err != nil {
		return nil, false, err
	}
	results = make([]dbclient.OpResult, len(b.ops))
	for n, i := range places {
		results[i], b.errs[i] = out.Results[n], out.Results[n].Error
	}
	return results, out.Synced && q.waitForSync, nil
}

// clear makes the batch empty, so that its documents can be freed.
func (b *batch) clear() {
	clear(b.ops)
	b.ops, b.errs, b.spots, b.pinned = b.ops[:0], b.errs[:0], b.spots[:0], false
}
