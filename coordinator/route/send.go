package route

import (
	"context"
	"errors"
	"net/http"

	"golang.org/x/sync/errgroup"

	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// How many shards one request speaks to at the same time; less if they return documents,
// each up to as many as a DB server returns at once.
const (
	shardsAtOnce    = 64
	returningAtOnce = 16
)

// maxChunkBytes bounds the documents in one request to a DB server, unless a
// single one is larger.
const maxChunkBytes = 16 << 20

// sendAll sends the operations at the indexes pending to their shards, each at most once.
func (d *dispatch) sendAll(ctx context.Context, snap *catalog.Snapshot, coll *catalog.Collection, pending []int) {
	d.failed = map[int]error{}
	if err := snap.Converged(); err != nil {
		for _, i := range pending {
			d.failed[i] = apierror.New(apierror.WrongEpoch, "%w", err)
		}
		return
	}
	byShard, inOrder := map[string][]int{}, []string(nil) // in the order of operations, so that runs can be repeated
	for _, i := range pending {
		shard := d.shardOf(coll, i)
		if byShard[shard] == nil {
			inOrder = append(inOrder, shard)
		}
		byShard[shard] = append(byShard[shard], i)
	}
	var g errgroup.Group
	g.SetLimit(shardsAtOnce)
	if d.returning {
		g.SetLimit(returningAtOnce)
	}
	for _, shard := range inOrder {
		g.Go(func() error {
			d.toShard(ctx, snap, coll, shard, byShard[shard])
			return nil
		})
	}
	_ = g.Wait() // the functions have no error
}

// toShard sends the operations of one shard, in order. It stops at the first request that fails:
// the operations after it must not overtake it.
func (d *dispatch) toShard(ctx context.Context, snap *catalog.Snapshot, coll *catalog.Collection, shard string, indexes []int) {
	_, err := target(snap, coll, shard)
	for len(indexes) > 0 && err == nil {
		if err = d.full(); err != nil {
			break
		}
		done := 0
		if done, err = d.send(ctx, snap, coll, shard, indexes[:d.chunk(indexes)]); err == nil {
			indexes = indexes[done:]
		}
	}
	if err == nil {
		return
	}
	// Only the last chunk was sent, so only its outcome can be unknown. The operations after it are
	// refused with an error of their own: the client must not take them for unknown as well.
	sent := d.chunk(indexes)
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, i := range indexes {
		if n < sent || retriable(err, d.isWrite(i)) || errors.Is(err, apierror.ReadOnly) || errors.Is(err, ErrReturnedEnough) {
			d.failed[i] = err
			continue
		}
		d.failed[i] = apierror.New(apierror.BackendUnavailable, "not sent, because an operation before it failed: %s", err.Error()).WithStatus(http.StatusServiceUnavailable)
	}
}

// chunk is how many operations go into the next request.
func (d *dispatch) chunk(indexes []int) int {
	size := 0
	for n, i := range indexes {
		size += len(d.req.Ops[i].Document)
		if n == d.router.AtOnce || n > 0 && size > maxChunkBytes {
			return n
		}
	}
	return len(indexes)
}

// send sends the operations at indexes, and returns how many of them are done: a server that
// returns documents may do only the first ones.
func (d *dispatch) send(ctx context.Context, snap *catalog.Snapshot, coll *catalog.Collection, shard string, indexes []int) (done int, err error) {
	t, err := target(snap, coll, shard)
	if err != nil {
		return 0, err
	}
	ctx, end := d.router.attempt(ctx, snap, coll, shard)
	defer end()
	ops := make([]dbclient.Op, len(indexes))
	for n, i := range indexes {
		ops[n] = d.req.Ops[i]
	}
	if err := failpoint.Hit(ctx, "coordinator/route/send", shard); err != nil {
		return 0, err
	}
	answer, err := d.servers.Documents(ctx, t, shard, dbclient.DocumentsRequest{
		Collection: coll.Name, Ops: ops, WaitForSync: d.req.WaitForSync, ReturnOld: d.req.ReturnOld, ReturnNew: d.req.ReturnNew,
	})
	if err != nil {
		return 0, overtaken(ctx, err)
	}
	if done = len(answer.Results); done == 0 || done > len(ops) || done < len(ops) && !d.returning {
		return 0, apierror.New(apierror.ConnectionLost, "shard %s answered %d operations with %d results", shard, len(ops), len(answer.Results))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced = d.synced && answer.Synced
	for n, result := range answer.Results {
		d.results[indexes[n]] = result
		d.returned += int64(len(result.Old) + len(result.New))
	}
	return done, nil
}
