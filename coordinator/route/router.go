package route

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Servers are the calls that a Router makes to DB servers.
type Servers interface {
	Documents(ctx context.Context, t dbclient.Target, shard string, r dbclient.DocumentsRequest) (dbclient.DocumentsResponse, error)
	Scan(ctx context.Context, t dbclient.Target, shard string, r dbclient.ScanRequest) (dbclient.ScanResponse, error)
	Count(ctx context.Context, t dbclient.Target, shard string) (dbclient.CountResponse, error)
	Truncate(ctx context.Context, t dbclient.Target, shard string, r dbclient.TruncateRequest) error
	Checksum(ctx context.Context, t dbclient.Target, shard string, r dbclient.ChecksumRequest) (dbclient.ChecksumResponse, error)
}

// Catalog is where a Router looks collections up.
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
	Retry   time.Duration // how long to look for a server that leads the shard, from the first that does not
	AtOnce  int           // operations in one request to a DB server
}

// Ref is a collection as a client named it: by name or id.
type Ref struct{ Database, Name string }

// Pauses between two looks for the leader of a shard.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// patience is how long one request goes on looking, and how often. It begins with
// the first failure, however long that took.
type patience struct {
	lasts time.Duration
	until time.Time
	pause time.Duration
}

func (r *Router) patience() *patience { return &patience{lasts: r.Retry, pause: firstPause} }

// wait pauses before another attempt; false: there shall be none.
func (p *patience) wait(ctx context.Context) bool {
	if p.until.IsZero() {
		p.until = time.Now().Add(p.lasts)
	}
	d := p.pause/2 + rand.N(p.pause/2)
	if time.Now().Add(d).After(p.until) {
		return false
	}
	p.pause = min(2*p.pause, maxPause)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// target is where a shard's leader is, by Plan.
func target(snap *catalog.Snapshot, coll *catalog.Collection, shard string) (dbclient.Target, error) {
	servers := coll.Shards[shard]
	if len(servers) == 0 || strings.HasPrefix(servers[0], keys.Resigned) {
		return dbclient.Target{}, apierror.New(apierror.NoLeader, "shard %s of collection %s has no leader at present", shard, coll.Name)
	}
	url, ok := snap.URL(servers[0])
	if !ok {
		return dbclient.Target{}, apierror.New(apierror.NoLeader, "shard %s of collection %s: its leader %s is not registered", shard, coll.Name, servers[0])
	}
	return dbclient.Target{URL: url, Epoch: snap.Epoch}, nil
}

// notApplied says that the server has certainly done nothing, and that a newer
// view of Plan may lead to one that does.
func notApplied(err error) bool {
	for _, n := range []apierror.Num{apierror.ShardGone, apierror.NotLeader, apierror.NoLeader, apierror.WrongEpoch, apierror.StartingUp, apierror.ShuttingDown} {
		if errors.Is(err, n) {
			return true
		}
	}
	return errors.Is(err, dbclient.ErrNotSent)
}

// again says whether a request that failed may be sent once more.
func again(err error, write bool) bool {
	return notApplied(err) || !write && errors.Is(err, apierror.ConnectionLost)
}

// forClient makes the error that a client gets of the last one met.
func forClient(err error, write bool) *apierror.Error {
	switch {
	case errors.Is(err, apierror.ConnectionLost) && write && !errors.Is(err, dbclient.ErrNotSent):
		return apierror.New(apierror.ConnectionLost, "the answer was lost, so the outcome is unknown: it may have been applied or not: %w", err)
	case notApplied(err), errors.Is(err, apierror.ConnectionLost):
		e := apierror.New(numFor(err), "nothing was applied, try again: %w", err)
		if !write {
			e = apierror.New(numFor(err), "%w", err)
		}
		return e.WithStatus(http.StatusServiceUnavailable)
	}
	return apierror.From(err)
}

// numFor hides internal numbers from clients.
func numFor(err error) apierror.Num {
	if n := apierror.From(err).Num; n != apierror.WrongEpoch && n != apierror.ShardGone {
		return n
	}
	return apierror.BackendUnavailable
}

// epochOver is the answer to a request that belongs to the data before a restore.
func epochOver() error {
	return apierror.New(apierror.BackendUnavailable, "nothing was applied, try again: the cluster was restored meanwhile").WithStatus(http.StatusServiceUnavailable)
}
