package route

import (
	"errors"
	"sync"

	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// dispatch is one Request while its operations are sent.
type dispatch struct {
	router    *Router
	servers   Servers // of the request's transaction, if it is part of one
	req       *Request
	returning bool // the operations return documents
	places    *places

	mu       sync.Mutex
	results  []dbclient.OpResult
	failed   map[int]error // in the last pass, by operation
	synced   bool
	returned int64 // bytes of documents
}

// begin returns the operations that are to be sent, and refuses the others.
func (d *dispatch) begin() (pending []int) {
	for i, op := range d.req.Ops {
		if d.places.settled(i) {
			continue
		}
		shard := d.shardOf(d.req.Collection, i)
		if !(d.req.Bounds.Failed[shard] || d.places.blocked(shard, i)) || failpoint.Off("parts-do-not-overtake") {
			pending = append(pending, i)
			continue
		}
		d.results[i] = dbclient.OpResult{Key: op.Key, Error: notSent("an operation on its shard")}
		d.synced = d.synced && !d.isWrite(i)
	}
	d.places.fail(d.req.Bounds.Failed)
	return pending
}

// shardOf is the shard of an operation.
func (d *dispatch) shardOf(coll *catalog.Collection, i int) string {
	if d.places != nil {
		return coll.ShardNames[d.places.index[i]]
	}
	return coll.ShardNames[ShardIndex(d.req.Ops[i].Key, len(coll.ShardNames))]
}

// note remembers the shard of an operation that has failed and is not sent again.
func (d *dispatch) note(i int, err error) {
	if d.req.Bounds.Failed == nil || errors.Is(err, ErrReturnedEnough) {
		return
	}
	d.req.Bounds.Failed[d.shardOf(d.req.Collection, i)] = true // the shards never change
}

// full is an error when no more documents may be returned.
func (d *dispatch) full() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if most := d.req.Bounds.Returned; !d.returning || most == 0 || d.returned < most {
		return nil
	}
	return apierror.New(apierror.ResourceLimit, "not done: %w: ask for less at a time", ErrReturnedEnough)
}

func (d *dispatch) isWrite(i int) bool { return d.req.Ops[i].Kind != dbclient.OpRead }

// again returns the operations that failed in the last pass and may be sent again, in order.
// What failed has its error as result until a later pass replaces it.
func (d *dispatch) again() []int {
	var indexes []int
	for i := range d.results {
		err := d.failed[i]
		if err == nil {
			continue
		}
		d.results[i] = dbclient.OpResult{Key: d.req.Ops[i].Key, Error: forClient(err, d.isWrite(i))}
		d.synced = d.synced && !d.isWrite(i)
		if retriable(err, d.isWrite(i)) {
			indexes = append(indexes, i)
			continue
		}
		if !failpoint.Off("failed-in-any-round") {
			d.note(i, err)
		}
	}
	return indexes
}

func (d *dispatch) fail(indexes []int, err error) {
	for _, i := range indexes {
		d.results[i] = dbclient.OpResult{Key: d.req.Ops[i].Key, Error: apierror.From(err)}
	}
}
