package catalog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/internal/apierror"
)

// Agency is what the catalog changes Plan with.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
}

// Cache is the watch cache that look-ups are answered from.
type Cache interface {
	Snapshot() agencyclient.Snapshot
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Deps are what a Catalog works with. All are required.
type Deps struct {
	Agency   Agency
	Cache    Cache
	Reserve  func(ctx context.Context, n uint64) (first uint64, err error) // ids of the cluster's range
	ID       string                                                        // this coordinator
	RebootID func() uint64                                                 // its reboot id now
	Logger   hclog.Logger

	MaxShards int           // of one collection
	Wait      time.Duration // for DB servers to report what is built
	Sync      time.Duration // for followers of a new collection to be in sync; then it is answered without them
	Thaw      time.Duration // for a backup or restore to end
	Patience  time.Duration // with one question to the agency on behalf of a client
}

// Catalog is the one place where a coordinator reads and changes Plan.
type Catalog struct {
	deps Deps
	ids  ids
	dir  atomic.Pointer[directory]

	ctx      context.Context // ends with Close: the life of the cleanups
	cancel   context.CancelFunc
	cleanups sync.WaitGroup
}

// New makes a Catalog; Close ends it.
func New(d Deps) *Catalog {
	c := &Catalog{deps: d, ids: ids{reserve: d.Reserve, lock: make(chan struct{}, 1)}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Stop ends data definition that still runs. What it leaves is deleted by
// supervision when the coordinator has gone.
func (c *Catalog) Stop() { c.cancel() }

// Close is Stop, and waits for cleanups. No other method may run any more.
func (c *Catalog) Close() {
	c.Stop()
	c.cleanups.Wait()
}

// View is the catalog as the own cache has it.
func (c *Catalog) View() *View { return c.view(c.deps.Cache.Snapshot()) }

// Sync is the catalog at least as new as now.
func (c *Catalog) Sync(ctx context.Context) (*View, error) {
	ctx, cancel := context.WithTimeout(ctx, c.deps.Patience)
	defer cancel()
	s, err := c.deps.Cache.Sync(ctx)
	if err != nil {
		return nil, agencyError(err)
	}
	return c.view(s), nil
}

// Await gives the first view from now on for which ok holds; the error is the
// context's, or says that the cache has stopped.
func (c *Catalog) Await(ctx context.Context, ok func(*View) bool) (*View, error) {
	s, err := c.deps.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool { return ok(c.view(s)) })
	if err != nil {
		return nil, err
	}
	return c.view(s), nil
}

// Database is a database by name, 1228 if there certainly is none.
func (c *Catalog) Database(ctx context.Context, name string) (*Database, error) {
	if db, ok := c.View().Database(name); ok {
		return db, nil
	}
	v, err := c.Sync(ctx)
	if err != nil {
		return nil, err
	}
	if db, ok := v.Database(name); ok {
		return db, nil
	}
	return nil, noDatabase(name)
}

// Collection is a collection by name or id, 1203 if there certainly is none.
func (c *Catalog) Collection(ctx context.Context, db, name string) (*Collection, error) {
	if coll, ok := c.View().Collection(db, name); ok {
		return coll, nil
	}
	v, err := c.Sync(ctx)
	if err != nil {
		return nil, err
	}
	return v.Find(db, name)
}

// Find is Collection with an error that says what is missing.
func (v *View) Find(db, name string) (*Collection, error) {
	if coll, ok := v.Collection(db, name); ok {
		return coll, nil
	}
	if _, ok := v.Database(db); !ok {
		return nil, noDatabase(db)
	}
	return nil, noCollection(name)
}

// Missing says that there is no such database, or else no collection of that name; nil
// if there is the database and no collection was asked for.
func (v *View) Missing(db, name string) error {
	switch _, ok := v.Database(db); {
	case !ok:
		return noDatabase(db)
	case name != "":
		return noCollection(name)
	}
	return nil
}

func noCollection(name string) error {
	return apierror.New(apierror.CollectionNotFound, "collection or view not found: %s", name)
}

func noDatabase(name string) error {
	return apierror.New(apierror.DatabaseNotFound, "database not found: %s", name)
}

// NextID is a number that the cluster has never given out before, in the restore
// epoch given; an error if that epoch is over.
func (c *Catalog) NextID(ctx context.Context, epoch uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.deps.Patience)
	defer cancel()
	n, err := c.ids.next(ctx, epoch)
	if err != nil {
		return 0, agencyError(err)
	}
	return n, nil
}

// agencyError is the answer to a client when the agency cannot be asked.
func agencyError(err error) error {
	var known *apierror.Error
	if errors.As(err, &known) {
		return err
	}
	return apierror.New(apierror.AgencyFailed, "agency: %w", err).WithStatus(http.StatusServiceUnavailable)
}

// bounded gives a context that outlives the client's request, so that nothing is
// left half done because a client went away, but not the Catalog.
func (c *Catalog) bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), d, fmt.Errorf("no end within %v", d))
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
