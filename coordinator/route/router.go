package route

import (
	"context"
	"time"

	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
)

// Servers are the calls that a Router makes to DB servers.
type Servers interface {
	Documents(ctx context.Context, t dbclient.Target, shard string, r dbclient.DocumentsRequest) (dbclient.DocumentsResponse, error)
	Scan(ctx context.Context, t dbclient.Target, shard string, r dbclient.ScanRequest) (dbclient.ScanResponse, error)
	Count(ctx context.Context, t dbclient.Target, shard string, r dbclient.CountRequest) (dbclient.CountResponse, error)
	Truncate(ctx context.Context, t dbclient.Target, shard string, r dbclient.TruncateRequest) error
	Checksum(ctx context.Context, t dbclient.Target, shard string, r dbclient.ChecksumRequest) (dbclient.ChecksumResponse, error)
}

// Catalog has the collections.
type Catalog interface {
	Cached() *catalog.Snapshot
	Sync(ctx context.Context) (*catalog.Snapshot, error)
	Await(ctx context.Context, ok func(*catalog.Snapshot) bool) (*catalog.Snapshot, error)
	Collection(ctx context.Context, db, name string) (*catalog.Snapshot, *catalog.Collection, error)
}

// Router sends requests to shards.
type Router struct {
	Servers Servers
	Catalog Catalog
	Attempt time.Duration // one request to a DB server
	Retry   time.Duration // how long to look for the leader of a shard, from the first server that does not lead it
	AtOnce  int           // operations in one request to a DB server
}

// sync returns a snapshot at least as new as the call. If the agency does not answer in time, it
// returns the cached one: while Plan cannot be changed, that may well be right.
func (r *Router) sync(ctx context.Context) *catalog.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, r.Retry)
	defer cancel()
	snap, err := r.Catalog.Sync(ctx)
	if err != nil {
		return r.Catalog.Cached()
	}
	return snap
}
