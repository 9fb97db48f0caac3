package route

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Count adds up the documents of all shards; revision is the highest.
func (r *Router) Count(ctx context.Context, ref Ref) (count uint64, revision string, err error) {
	counts, err := onShards(ctx, r, ref, false, func(ctx context.Context, t dbclient.Target, shard string) (dbclient.CountResponse, error) {
		return r.Servers.Count(ctx, t, shard)
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

// newer compares revisions: they have one length for as long as servers give
// them, so the longer is the later, and among equals the greater.
func newer(a, b string) bool {
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

// Truncate removes all documents. Shards are emptied one by one: an error may
// leave some empty and others not.
func (r *Router) Truncate(ctx context.Context, ref Ref, waitForSync bool) error {
	_, err := onShards(ctx, r, ref, true, func(ctx context.Context, t dbclient.Target, shard string) (struct{}, error) {
		return struct{}{}, r.Servers.Truncate(ctx, t, shard, dbclient.TruncateRequest{WaitForSync: waitForSync})
	})
	return err
}

// Place is a shard of a collection, in the data of one restore epoch.
type Place struct {
	Ref   Ref
	Epoch uint64
	Shard string
}

// Scan reads a page of a shard; an error if a restore has replaced its data.
func (r *Router) Scan(ctx context.Context, at Place, req dbclient.ScanRequest) (dbclient.ScanResponse, error) {
	patience := r.patience()
	v := r.Catalog.View()
	for {
		page, err := r.scan(ctx, v, at, req)
		if err == nil || !again(err, false) || !patience.wait(ctx) {
			return page, readError(err)
		}
		if v, err = r.sync(ctx); err != nil {
			return page, err
		}
	}
}

func (r *Router) scan(ctx context.Context, v *catalog.View, at Place, req dbclient.ScanRequest) (dbclient.ScanResponse, error) {
	if v.Epoch > at.Epoch {
		return dbclient.ScanResponse{}, epochOver()
	}
	if err := v.Converged(); err != nil {
		return dbclient.ScanResponse{}, apierror.New(apierror.WrongEpoch, "%w", err)
	}
	coll, err := v.Find(at.Ref.Database, at.Ref.Name)
	if err != nil {
		return dbclient.ScanResponse{}, err
	}
	t, err := target(v, coll, at.Shard)
	if err != nil {
		return dbclient.ScanResponse{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.Attempt)
	defer cancel()
	return r.Servers.Scan(ctx, t, at.Shard, req)
}

func readError(err error) error {
	if err == nil {
		return nil
	}
	return forClient(err, false)
}

// call asks the leader of a shard.
type call[T any] func(ctx context.Context, t dbclient.Target, shard string) (T, error)

// onShards makes the call for every shard of a collection, and gives the results in
// the shards' order. What failed without being applied is tried again.
func onShards[T any](ctx context.Context, r *Router, ref Ref, write bool, f call[T]) ([]T, error) {
	if _, err := r.Catalog.Collection(ctx, ref.Database, ref.Name); err != nil {
		return nil, err
	}
	patience := r.patience()
	v := r.Catalog.View()
	done := map[string]T{}
	f = bounded(f, r.Attempt)
	for epoch := v.Epoch; ; {
		coll, err := v.Find(ref.Database, ref.Name)
		if err != nil {
			return nil, err
		}
		if v.Epoch != epoch { // what was done before the restore is void
			if write {
				return nil, epochOver()
			}
			epoch, done = v.Epoch, map[string]T{}
		}
		if err = v.Converged(); err == nil {
			err = callShards(ctx, v, coll, done, f)
		}
		if err == nil {
			results := make([]T, len(coll.ShardNames))
			for i, shard := range coll.ShardNames {
				results[i] = done[shard]
			}
			return results, nil
		}
		if v.Converged() == nil && !again(err, write) || !patience.wait(ctx) {
			return nil, partial(err, write, len(done), len(coll.ShardNames))
		}
		if v, err = r.sync(ctx); err != nil {
			return nil, err
		}
	}
}

// partial is the error of a call when so many of all shards have obeyed.
func partial(err error, write bool, done, all int) error {
	e := forClient(err, write)
	if !write || done == 0 {
		return e
	}
	return apierror.New(e.Num, "done on %d of %d shards; on another: %w", done, all, e).WithStatus(e.Status())
}

// bounded gives every call so long.
func bounded[T any](f call[T], d time.Duration) call[T] {
	return func(ctx context.Context, t dbclient.Target, shard string) (T, error) {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return f(ctx, t, shard)
	}
}

// callShards calls f for the shards that are not done, and gives the first error
// that cannot be mended, or else the first.
func callShards[T any](ctx context.Context, v *catalog.View, coll *catalog.Collection, done map[string]T, f call[T]) error {
	results := make([]T, len(coll.ShardNames))
	errs := make([]error, len(coll.ShardNames))
	var g errgroup.Group
	g.SetLimit(shardsAtOnce)
	for i, shard := range coll.ShardNames {
		if _, ok := done[shard]; ok {
			continue
		}
		g.Go(func() error {
			t, err := target(v, coll, shard)
			if err == nil {
				results[i], err = f(ctx, t, shard)
			}
			errs[i] = err
			return nil
		})
	}
	_ = g.Wait() // the functions have no error
	var first error
	for i, err := range errs {
		if err == nil {
			if _, ok := done[coll.ShardNames[i]]; !ok {
				done[coll.ShardNames[i]] = results[i]
			}
		} else if first == nil || notApplied(first) && !notApplied(err) {
			first = err
		}
	}
	return first
}
