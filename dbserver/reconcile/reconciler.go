package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/diskhealth"
	"stasis/dbserver/hosting"
	"stasis/dbserver/lease"
	"stasis/dbserver/pieces"
	"stasis/dbserver/replica"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Config says which server follows Plan, and with what.
type Config struct {
	ID       string
	Agency   *agencyclient.Client
	Cache    *agencyclient.Cache
	Lease    *lease.Lease
	Host     *hosting.Host
	Access   *store.Access
	Pieces   *pieces.Manager
	Disk     *diskhealth.Watch
	Woken    <-chan struct{}                   // has a token when the disk has begun or ceased to hang
	Leading  func(*store.Store) replica.Server // the server as its leaders see it
	RebootID func() uint64                     // of this process
	Epoch    func() uint64                     // of the open data
	Reopened func()                            // is called when shards were opened again
	Logger   hclog.Logger
	Retry    time.Duration // pause after an error
	Look     time.Duration // longest between two looks at what may be left over
	Timeout  time.Duration // of one write to the agency
}

// Reconciler follows Plan.
type Reconciler struct {
	Config
	seen  trees // that have been followed
	aside bool  // a shard that is to be dropped is needed yet
}

// New makes a Reconciler; Run has it work.
func New(c Config) *Reconciler { return &Reconciler{Config: c} }

// trees are the parts of the agency's tree that decide what Plan asks of this server. The tree
// is immutable: the same pointers mean that nothing has changed.
type trees struct{ plan, collections, databases, epoch *agencyclient.Node }

func treesIn(root *agencyclient.Node) trees {
	return trees{root.At(keys.Plan), root.At(keys.CurrentCollections), root.At(keys.CurrentDatabases), root.At(keys.RestoreEpoch)}
}

// Run follows Plan until ctx ends, or until the engine has failed: that is its error. Between
// the server's start and its stop Run alone opens and closes the engine.
func (r *Reconciler) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := ""
	for {
		snap := r.Cache.Snapshot()
		err := failpoint.Hit(ctx, "dbserver/reconcile/follow", r.ID)
		if err == nil {
			err = r.catchUp(ctx, snap)
		}
		if ctx.Err() != nil {
			return nil
		}
		last = r.complain(err, last)
		timer.Reset(r.Look)
		if err != nil {
			timer.Reset(r.Retry)
		}
		select {
		case <-r.Cache.Changed(snap.Index):
		case <-timer.C:
		case <-r.Woken: // the disk answers again
		case <-r.Host.Failed():
			err := r.Host.Store().Engine().Err()
			return errors.Join(err, r.Access.Shut(ctx, apierror.New(apierror.ServiceUnavailable, "%w", err)))
		case <-ctx.Done():
			return nil
		}
	}
}

// complain logs an error once, until it changes.
func (r *Reconciler) complain(err error, last string) string {
	switch {
	case err == nil && last != "":
		r.Logger.Info("following the agency again")
	case err != nil && err.Error() != last && !errors.Is(err, errOutdated):
		r.Logger.Warn("following the agency", "error", err)
	}
	if err == nil || errors.Is(err, errOutdated) {
		return ""
	}
	return err.Error()
}

// catchUp does everything that one state of the agency asks for.
func (r *Reconciler) catchUp(ctx context.Context, snap agencyclient.Snapshot) error {
	if err := r.reopen(ctx); err != nil {
		return err
	}
	switch epoch := pieces.EpochIn(snap.Root); {
	case epoch < r.Epoch():
		return nil // the cache is behind what was read at the start
	case epoch > r.Epoch() || !r.Host.Ready():
		prepare := func(s *store.Store) error {
			w, err := r.compare(snap.Root, s)
			if err != nil {
				return err
			}
			return r.carryOut(s, w)
		}
		if err := r.Host.Swap(ctx, snap.Root, prepare); err != nil {
			return fmt.Errorf("change to epoch %d: %w", epoch, err)
		}
	}
	return errors.Join(r.reportEpoch(ctx, snap.Root), r.followPlan(ctx, snap), r.Pieces.ResolveIfDecided(ctx, snap.Root))
}

// reopen opens the shards again when the disk answers after it hung.
func (r *Reconciler) reopen(ctx context.Context) error {
	if r.Disk.Hang() != nil {
		return nil
	}
	again, err := r.Host.Reopen(ctx)
	if again {
		r.seen = trees{}
		r.Reopened()
	}
	return err
}

// reportEpoch tells the cluster which epoch's data is open here.
func (r *Reconciler) reportEpoch(ctx context.Context, root *agencyclient.Node) error {
	key := keys.ServerKnown(r.ID) + "/epoch"
	if n, ok := root.At(key).Int(); ok && uint64(n) == r.Epoch() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	_, err := r.Agency.Write(ctx, agencyclient.Tx{
		Ops: map[string]any{key: agencyclient.Set(r.Epoch()), keys.CurrentVersion: agencyclient.Increment(1)},
		Pre: map[string]any{keys.ServerKnown(r.ID) + "/rebootId": agencyclient.Old(r.RebootID())},
	})
	if err != nil {
		return fmt.Errorf("report epoch %d: %w", r.Epoch(), err)
	}
	return nil
}

// followPlan makes and drops shards, and tells Current about it.
func (r *Reconciler) followPlan(ctx context.Context, snap agencyclient.Snapshot) error {
	now, s := treesIn(snap.Root), r.Host.Store()
	if now == r.seen && !s.LeadershipOver() && !r.aside {
		r.Lease.Followed(snap.Index)
		return nil
	}
	w, err := r.compare(snap.Root, s)
	if err != nil {
		return err
	}
	err = r.carryOut(s, w)
	// Whatever failed: this server leads nothing now that Plan gives to another, and that is
	// what the lease waits for.
	r.Lease.Followed(snap.Index)
	if err != nil {
		return err
	}
	if err := r.report(ctx, w.reports); err != nil {
		return err
	}
	r.seen = now
	return nil
}

// compare says what Plan asks of this server. Before the cluster is bootstrapped it asks
// nothing.
func (r *Reconciler) compare(root *agencyclient.Node, s *store.Store) (work, error) {
	if !root.At(keys.InitDone).Exists() || !root.At(keys.Plan).Exists() {
		return work{}, nil
	}
	return compare(root, r.ID, s.Names())
}

func (r *Reconciler) carryOut(s *store.Store, w work) error {
	var errs []error
	r.aside = false
	for _, name := range w.create {
		errs = append(errs, s.Create(name))
	}
	for _, name := range w.drop {
		errs = append(errs, r.drop(s, name, w.gone[name]))
	}
	s.Assign(r.Leading(s), w.places)
	return errors.Join(errs...)
}

// drop removes a shard. One that Plan has nowhere any more may have decided transactions that others have prepared: it is set
// aside until they know.
func (r *Reconciler) drop(s *store.Store, name string, gone bool) error {
	if gone && !s.Needless(name) && !failpoint.Off("decisions-outlive-their-shard") {
		needed, err := s.SetAside(name)
		if err != nil {
			return err
		}
		if needed {
			r.aside = true
			return nil
		}
	}
	r.Logger.Info("dropping shard", "shard", name)
	return s.Drop(name)
}

// errOutdated is returned when a report's precondition failed: the next state of the agency
// says what is right.
var errOutdated = errors.New("meanwhile Plan has changed")

// report writes reports to Current.
func (r *Reconciler) report(ctx context.Context, reports []agencyclient.Tx) error {
	if len(reports) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	indices, err := r.Agency.WriteAll(ctx, reports...)
	if err != nil {
		return fmt.Errorf("report to Current: %w", err)
	}
	for _, i := range indices {
		if i == 0 {
			return fmt.Errorf("report to Current: %w", errOutdated)
		}
	}
	return nil
}
