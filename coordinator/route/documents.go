package route

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Request is operations on documents of one collection.
type Request struct {
	Ref         Ref
	Snapshot    *catalog.Snapshot   // that has Collection
	Collection  *catalog.Collection // where to send first
	Ops         []dbclient.Op
	Bounds      Bounds
	Pinned      bool // fail rather than apply in another restore epoch than Cached's
	WaitForSync bool
	ReturnOld   bool
	ReturnNew   bool
}

// Bounds are what the parts of a client's request before this one have left to it.
type Bounds struct {
	// Failed are the shards at which one of them failed: what follows must not overtake it,
	// and is refused. Shards at which this request fails are added. Nil: there are no others.
	Failed Failed
	// Returned is how many bytes of documents may be returned: after so many, or not much
	// more, operations that return documents are refused. 0: any number; below: none.
	Returned int64
}

// Failed are shards by their names.
type Failed map[string]bool

// ErrReturnedEnough is the cause of a refusal: the operation has not been done, because the
// documents that those before it return are as many as Bounds allow.
var ErrReturnedEnough = errors.New("the documents in the answer take as many bytes as it may have")

// Outcome has one result per operation, in order.
type Outcome struct {
	Results []dbclient.OpResult
	Synced  bool // all writes are on disk
}

// How many shards one request speaks to at the same time; less if they return documents,
// each up to as many as a DB server returns at once.
const (
	shardsAtOnce    = 64
	returningAtOnce = 16
)

// maxChunkBytes bounds the documents in one request to a DB server, unless a
// single one is larger.
const maxChunkBytes = 16 << 20

// Documents applies operations. Its error means that none was applied.
func (r *Router) Documents(ctx context.Context, req Request) (Outcome, error) {
	if err := req.Snapshot.Converged(); err != nil {
		snap := r.sync(ctx)
		coll, ferr := snap.Find(req.Ref.Database, req.Ref.Name)
		if ferr != nil {
			return Outcome{}, ferr
		}
		if err := snap.Converged(); err != nil {
			return Outcome{}, err
		}
		if req.Pinned && snap.Epoch != req.Snapshot.Epoch {
			return Outcome{}, epochOver()
		}
		req.Snapshot, req.Collection = snap, coll
	}
	d := &delivery{router: r, req: &req, results: make([]dbclient.OpResult, len(req.Ops)), synced: true, returning: req.returning()}
	pending := d.begin()
	patience := r.patience()
	snap, coll := req.Snapshot, req.Collection
	for {
		d.round(ctx, snap, coll, pending)
		if pending = d.retriable(); len(pending) == 0 || !patience.wait(ctx) {
			break
		}
		nv := r.sync(ctx)
		ncoll, err := nv.Find(req.Ref.Database, req.Ref.Name)
		if err == nil && req.Pinned && nv.Epoch != req.Snapshot.Epoch {
			err = epochOver()
		}
		if err != nil {
			d.fail(pending, err)
			break
		}
		snap, coll = nv, ncoll
	}
	for i, err := range d.failed {
		d.note(i, err)
	}
	return Outcome{Results: d.results, Synced: d.synced}, nil
}

// sync is a view as new as now; the cache's own if the agency cannot be asked in
// time: while nobody can change Plan, what is known may well be right.
func (r *Router) sync(ctx context.Context) *catalog.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, r.Retry)
	defer cancel()
	snap, err := r.Catalog.Sync(ctx)
	if err != nil {
		return r.Catalog.Cached()
	}
	return snap
}

// delivery is one Request under way.
type delivery struct {
	router    *Router
	req       *Request
	returning bool // the operations return documents

	mu       sync.Mutex
	results  []dbclient.OpResult
	failed   map[int]error // of the last round, by operation
	synced   bool
	returned int64 // bytes of documents
}

// begin gives the operations that are to be sent, and refuses the others.
func (d *delivery) begin() (pending []int) {
	shards := d.req.Collection.ShardNames
	for i, op := range d.req.Ops {
		if !d.req.Bounds.Failed[shards[ShardIndex(op.Key, len(shards))]] || failpoint.Off("parts-do-not-overtake") {
			pending = append(pending, i)
			continue
		}
		d.results[i] = dbclient.OpResult{Key: op.Key, Error: notSent("an operation on its shard")}
		d.synced = d.synced && !d.isWrite(i)
	}
	return pending
}

// note remembers the shard of an operation that has failed for good.
func (d *delivery) note(i int, err error) {
	if d.req.Bounds.Failed == nil || errors.Is(err, ErrReturnedEnough) {
		return
	}
	shards := d.req.Collection.ShardNames // a collection's never change
	d.req.Bounds.Failed[shards[ShardIndex(d.req.Ops[i].Key, len(shards))]] = true
}

// notSent refuses an operation because of one before it.
func notSent(why string) *apierror.Error {
	return apierror.New(apierror.BackendUnavailable, "not sent, because %s before it failed", why).WithStatus(503)
}

// returning says whether operations return documents.
func (r *Request) returning() bool {
	return r.ReturnOld || r.ReturnNew || slices.ContainsFunc(r.Ops, func(op dbclient.Op) bool { return op.Kind == dbclient.OpRead })
}

// full is an error when no more documents may be returned.
func (d *delivery) full() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if most := d.req.Bounds.Returned; !d.returning || most == 0 || d.returned < most {
		return nil
	}
	return apierror.New(apierror.ResourceLimit, "not done: %w: ask for less at a time", ErrReturnedEnough)
}

// round sends the operations at the indexes pending to their shards.
func (d *delivery) round(ctx context.Context, snap *catalog.Snapshot, coll *catalog.Collection, pending []int) {
	d.failed = map[int]error{}
	if err := snap.Converged(); err != nil {
		for _, i := range pending {
			d.failed[i] = apierror.New(apierror.WrongEpoch, "%w", err)
		}
		return
	}
	byShard := map[string][]int{}
	for _, i := range pending {
		shard := coll.ShardNames[ShardIndex(d.req.Ops[i].Key, len(coll.ShardNames))]
		byShard[shard] = append(byShard[shard], i)
	}
	var g errgroup.Group
	g.SetLimit(shardsAtOnce)
	if d.returning {
		g.SetLimit(returningAtOnce)
	}
	for shard, indexes := range byShard {
		g.Go(func() error {
			d.toShard(ctx, snap, coll, shard, indexes)
			return nil
		})
	}
	_ = g.Wait() // the functions have no error
}

// toShard sends the operations of one shard, in order, and stops at the first
// request that fails: what is behind it must not overtake it.
func (d *delivery) toShard(ctx context.Context, snap *catalog.Snapshot, coll *catalog.Collection, shard string, indexes []int) {
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
	sent := d.chunk(indexes) // what is behind it was not sent
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, i := range indexes {
		if n < sent || again(err, d.isWrite(i)) || errors.Is(err, apierror.ReadOnly) || errors.Is(err, ErrReturnedEnough) {
			d.failed[i] = err
			continue
		}
		d.failed[i] = apierror.New(apierror.BackendUnavailable, "not sent, because an operation before it failed: %s", err.Error()).WithStatus(503)
	}
}

// chunk is how many operations go into the next request.
func (d *delivery) chunk(indexes []int) int {
	size := 0
	for n, i := range indexes {
		size += len(d.req.Ops[i].Document)
		if n == d.router.AtOnce || n > 0 && size > maxChunkBytes {
			return n
		}
	}
	return len(indexes)
}

// send sends the operations at indexes, and says how many of them are done: a server that
// returns documents may do only the first.
func (d *delivery) send(ctx context.Context, snap *catalog.Snapshot, coll *catalog.Collection, shard string, indexes []int) (done int, err error) {
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
	answer, err := d.router.Servers.Documents(ctx, t, shard, dbclient.DocumentsRequest{
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

func (d *delivery) isWrite(i int) bool { return d.req.Ops[i].Kind != dbclient.OpRead }

// retriable gives what the last round failed at and may be sent again, in order.
// All that failed has its error as result until something better comes.
func (d *delivery) retriable() []int {
	var indexes []int
	for i := range d.results {
		err := d.failed[i]
		if err == nil {
			continue
		}
		d.results[i] = dbclient.OpResult{Key: d.req.Ops[i].Key, Error: forClient(err, d.isWrite(i))}
		d.synced = d.synced && !d.isWrite(i)
		if again(err, d.isWrite(i)) {
			indexes = append(indexes, i)
			continue
		}
		if !failpoint.Off("failed-in-any-round") {
			d.note(i, err)
		}
	}
	return indexes
}

func (d *delivery) fail(indexes []int, err error) {
	for _, i := range indexes {
		d.results[i] = dbclient.OpResult{Key: d.req.Ops[i].Key, Error: apierror.From(err)}
	}
}

// Only gives the result of the only operation, its error as an error.
func (o Outcome) Only() (dbclient.OpResult, error) {
	if len(o.Results) != 1 {
		return dbclient.OpResult{}, errors.New("not one result")
	}
	if err := o.Results[0].Error; err != nil {
		return o.Results[0], err
	}
	return o.Results[0], nil
}
