package route

import (
	"context"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Count adds up the documents of all shards; revision is the highest.
func (r *Router) Count(ctx context.Context, ref Ref) (count uint64, revision string, err error) {
	counts, err := onShards(ctx, r, ref, false, func(ctx context.Context, s Servers, t dbclient.Target, shard string) (dbclient.CountResponse, error) {
		return s.Count(ctx, t, shard, dbclient.CountRequest{})
	})
	revision = "0"
	for _, c := range counts {
		count += c.Count
		if newer(c.Revision, revision) {
			revision = c.Revision
		}
	}
	return count, revision, err
}

// Checksum adds up the checksums of the shards' leaders, modulo 2^64; revision is the highest.
// Each shard answers at its own time, so the sum is that of one moment only while there are no
// writes.
func (r *Router) Checksum(ctx context.Context, ref Ref) (sum uint64, revision string, err error) {
	answers, err := onShards(ctx, r, ref, false, func(ctx context.Context, s Servers, t dbclient.Target, shard string) (dbclient.ChecksumResponse, error) {
		return s.Checksum(ctx, t, shard, dbclient.ChecksumRequest{})
	})
	revision = "0"
	for _, a := range answers {
		part, perr := strconv.ParseUint(a.Checksum, 16, 64)
		if perr != nil {
			return 0, "", fmt.Errorf("checksum of a shard: %w", perr)
		}
		sum += part
		if newer(a.Revision, revision) {
			revision = a.Revision
		}
	}
	return sum, revision, err
}

// newer says whether revision a is later than b. Revisions grow in length, never shrink: the
// longer is the later, and among equally long ones the greater.
func newer(a, b string) bool {
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

// Truncate removes all documents. If it fails, some shards may be empty and others not.
func (r *Router) Truncate(ctx context.Context, ref Ref, waitForSync bool) error {
	_, err := onShards(ctx, r, ref, true, func(ctx context.Context, s Servers, t dbclient.Target, shard string) (struct{}, error) {
		return struct{}{}, s.Truncate(ctx, t, shard, dbclient.TruncateRequest{WaitForSync: waitForSync})
	})
	return err
}

// Place is a shard of a collection, in the data of one restore epoch. The shards of a collection
// never change.
type Place struct {
	Ref   Ref
	Epoch uint64
	Shard int // index in Collection.ShardNames
}

// Scan reads a page of a shard. It fails if a restore has replaced the data.
func (r *Router) Scan(ctx context.Context, at Place, req dbclient.ScanRequest) (dbclient.ScanResponse, error) {
	tries := newRetries(r.Retry)
	snap := r.Catalog.Cached()
	for {
		page, err := r.scan(ctx, snap, at, req)
		if err == nil || !retriable(err, false) || !tries.wait(ctx) {
			return page, readError(err)
		}
		snap = r.sync(ctx)
	}
}

func (r *Router) scan(ctx context.Context, snap *catalog.Snapshot, at Place, req dbclient.ScanRequest) (dbclient.ScanResponse, error) {
	if snap.Epoch > at.Epoch {
		return dbclient.ScanResponse{}, epochOver()
	}
	if err := snap.Converged(); err != nil {
		return dbclient.ScanResponse{}, apierror.New(apierror.WrongEpoch, "%w", err)
	}
	coll, err := snap.Find(at.Ref.Database, at.Ref.Name)
	if err != nil {
		return dbclient.ScanResponse{}, err
	}
	if at.Shard >= len(coll.ShardNames) {
		return dbclient.ScanResponse{}, apierror.New(apierror.Internal, "collection %s has %d shards, and number %d was read", coll.Name, len(coll.ShardNames), at.Shard)
	}
	shard := coll.ShardNames[at.Shard]
	t, err := target(snap, coll, shard)
	if err != nil {
		return dbclient.ScanResponse{}, err
	}
	servers, err := r.servers(ctx, coll, false)
	if err != nil {
		return dbclient.ScanResponse{}, err
	}
	ctx, end := r.attempt(ctx, snap, coll, shard)
	defer end()
	page, err := servers.Scan(ctx, t, shard, req)
	return page, overtaken(ctx, err)
}

// call asks the leader of a shard.
type call[T any] func(ctx context.Context, s Servers, t dbclient.Target, shard string) (T, error)

// onShards makes the call for every shard of a collection, and returns the results in the order
// of the shards. A call that failed without being applied is made again.
func onShards[T any](ctx context.Context, r *Router, ref Ref, write bool, f call[T]) ([]T, error) {
	_, coll, err := r.Catalog.Collection(ctx, ref.Database, ref.Name)
	if err != nil {
		return nil, err
	}
	servers, err := r.servers(ctx, coll, write)
	if err != nil {
		return nil, err
	}
	tries := newRetries(r.Retry)
	snap := r.Catalog.Cached()
	done := map[string]T{}
	for epoch := snap.Epoch; ; {
		coll, err := snap.Find(ref.Database, ref.Name)
		if err != nil {
			return nil, err
		}
		if snap.Epoch != epoch { // what was done before the restore does not count
			if write {
				return nil, epochOver()
			}
			epoch, done = snap.Epoch, map[string]T{}
		}
		if err = snap.Converged(); err == nil {
			err = callShards(ctx, pass[T]{router: r, servers: servers, snap: snap, coll: coll, write: write, call: f}, done)
		}
		if err == nil {
			results := make([]T, len(coll.ShardNames))
			for i, shard := range coll.ShardNames {
				results[i] = done[shard]
			}
			return results, nil
		}
		if snap.Converged() == nil && !retriable(err, write) || !tries.wait(ctx) {
			return nil, partial(err, write, len(done), len(coll.ShardNames))
		}
		snap = r.sync(ctx)
	}
}

// pass is one call of all shards that are not done.
type pass[T any] struct {
	router  *Router
	servers Servers
	snap    *catalog.Snapshot
	coll    *catalog.Collection
	write   bool
	call    call[T]
}

func (p pass[T]) at(ctx context.Context, shard string) (result T, err error) {
	t, err := target(p.snap, p.coll, shard)
	if err != nil {
		return result, err
	}
	ctx, end := p.router.attempt(ctx, p.snap, p.coll, shard)
	defer end()
	result, err = p.call(ctx, p.servers, t, shard)
	return result, overtaken(ctx, err)
}

// callShards makes the call for the shards that are not done. It returns the first error that weighs
// most.
func callShards[T any](ctx context.Context, p pass[T], done map[string]T) error {
	names := p.coll.ShardNames
	results, errs := make([]T, len(names)), make([]error, len(names))
	var g errgroup.Group
	g.SetLimit(shardsAtOnce)
	for i, shard := range names {
		if _, ok := done[shard]; ok {
			continue
		}
		g.Go(func() error {
			results[i], errs[i] = p.at(ctx, shard)
			return nil
		})
	}
	_ = g.Wait() // the functions have no error
	var first error
	for i, err := range errs {
		if err == nil {
			if _, ok := done[names[i]]; !ok {
				done[names[i]] = results[i]
			}
		} else if first == nil || weight(err, p.write) > weight(first, p.write) {
			first = err
		}
	}
	return first
}
