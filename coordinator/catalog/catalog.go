package catalog

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/wall"
)

// Agency writes changes of Plan.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
}

// Cache is the watch cache from which look-ups are answered.
type Cache interface {
	Snapshot() agencyclient.Snapshot
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Options are what a Catalog works with. All but Wall are required.
type Options struct {
	Agency   Agency
	Cache    Cache
	Reserve  func(ctx context.Context, n uint64) (first uint64, err error) // ids of the cluster's range
	ID       string                                                        // this coordinator
	RebootID func() uint64                                                 // its reboot id now
	Logger   hclog.Logger

	MaxShards     int           // of one collection
	ReportWait    time.Duration // for DB servers to report what is created
	SyncWait      time.Duration // for followers of a new collection to be in sync; after it the create is answered all the same
	ThawWait      time.Duration // for a backup or restore to end
	AgencyTimeout time.Duration // of one question to the agency on behalf of a client
	Wall          wall.Clock    // for ages in messages; nil is the system's
}

// Catalog is the one place where a coordinator reads and changes Plan.
type Catalog struct {
	o   Options
	ids ids
	dir atomic.Pointer[directory]

	ctx      context.Context // ends with Close; the cleanups run in it
	cancel   context.CancelFunc
	cleanups sync.WaitGroup
}

// New makes a Catalog; Close ends it.
func New(o Options) *Catalog {
	c := &Catalog{o: o, ids: ids{reserve: o.Reserve, lock: make(chan struct{}, 1)}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Stop ends data definition that still runs. What it leaves half done, the supervision
// deletes when the coordinator has gone.
func (c *Catalog) Stop() { c.cancel() }

// Close is Stop, and waits for cleanups. No other method may run any more.
func (c *Catalog) Close() {
	c.Stop()
	c.cleanups.Wait()
}

// Cached returns the catalog as the watch cache has it, without asking the agency.
func (c *Catalog) Cached() *Snapshot { return c.snapshot(c.o.Cache.Snapshot()) }

// Sync returns a catalog at least as new as the call. It asks the agency.
func (c *Catalog) Sync(ctx context.Context) (*Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.AgencyTimeout)
	defer cancel()
	s, err := c.o.Cache.Sync(ctx)
	if err != nil {
		return nil, agencyError(err)
	}
	return c.snapshot(s), nil
}

// SyncOrCached is Sync, or Cached when the agency does not answer: for answers that may be
// a little old.
func (c *Catalog) SyncOrCached(ctx context.Context) *Snapshot {
	snap, err := c.Sync(ctx)
	if err != nil {
		return c.Cached()
	}
	return snap
}

// Await returns the first snapshot from now on for which ok holds. The error is the
// context's, or says that the cache has stopped.
func (c *Catalog) Await(ctx context.Context, ok func(*Snapshot) bool) (*Snapshot, error) {
	s, err := c.o.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool { return ok(c.snapshot(s)) })
	if err != nil {
		return nil, err
	}
	return c.snapshot(s), nil
}

// snapshot decodes Plan, unless it is the Plan that was decoded last.
func (c *Catalog) snapshot(s agencyclient.Snapshot) *Snapshot {
	plan := s.Root.At(keys.Plan)
	old := c.dir.Load()
	dir := old
	if old == nil || old.plan != plan {
		dir = decode(plan, old)
		c.dir.CompareAndSwap(old, dir) // if another call was faster, this directory serves this snapshot only
	}
	epoch, _ := s.Root.At(keys.RestoreEpoch).Int()
	return &Snapshot{Index: s.Index, Epoch: uint64(epoch), root: s.Root, dir: dir}
}

// Database returns a database by name. 1228 means that it certainly does not exist.
func (c *Catalog) Database(ctx context.Context, name string) (*Database, error) {
	if db, ok := c.Cached().database(name); ok {
		return db, nil
	}
	snap, err := c.Sync(ctx)
	if err != nil {
		return nil, err
	}
	if db, ok := snap.database(name); ok {
		return db, nil
	}
	return nil, noDatabase(name)
}

// Collection returns a collection by name or id, and the snapshot that has it. 1203 means
// that it certainly does not exist, 1228 that its database does not.
func (c *Catalog) Collection(ctx context.Context, db, name string) (*Snapshot, *Collection, error) {
	snap := c.Cached()
	if coll, ok := snap.Collection(db, name); ok {
		return snap, coll, nil
	}
	snap, err := c.Sync(ctx)
	if err != nil {
		return nil, nil, err
	}
	coll, err := snap.Find(db, name)
	return snap, coll, err
}

// NextID returns a number that the cluster has never given out before, in the restore epoch
// given. It fails if that epoch is over.
func (c *Catalog) NextID(ctx context.Context, epoch uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.AgencyTimeout)
	defer cancel()
	n, err := c.ids.next(ctx, epoch)
	if err != nil {
		return 0, agencyError(err)
	}
	return n, nil
}

// Keys returns a function that makes document keys in a restore epoch.
func (c *Catalog) Keys(epoch uint64) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		n, err := c.NextID(ctx, epoch)
		return strconv.FormatUint(n, 10), err
	}
}

// bounded returns a context that lasts for d and ends with the Catalog. It outlives the
// client's request, so that a change is not left half done because the client went away.
func (c *Catalog) bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), d, fmt.Errorf("it has not ended within %v", d))
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
