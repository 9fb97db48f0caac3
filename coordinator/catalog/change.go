package catalog

import (
	"context"
	"errors"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// Change writes Plan for another package. It ends when ctx ends or the Catalog is stopped.
// build makes the operations from a snapshot at least as new as the call, or returns the
// error that says why it writes nothing. It is called again if its snapshot was out of date
// when it was written. The snapshot returned shows the change.
func (c *Catalog) Change(ctx context.Context, build func(*Snapshot) (agencyclient.Tx, error)) (*Snapshot, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	return c.change(ctx, build)
}

// change is Change for this package, whose contexts end with the Catalog.
func (c *Catalog) change(ctx context.Context, build func(*Snapshot) (agencyclient.Tx, error)) (*Snapshot, error) {
	thaw := time.Now().Add(c.o.ThawWait)
	for {
		snap, err := c.Sync(ctx)
		if err != nil {
			return nil, err
		}
		if snap.Frozen() {
			if err := c.awaitThaw(ctx, thaw); err != nil {
				return nil, err
			}
			continue
		}
		tx, err := build(snap)
		if err != nil {
			return nil, err
		}
		index, err := c.o.Agency.Write(ctx, asOf(snap, tx))
		if errors.Is(err, agencyclient.ErrPrecondition) {
			continue // Plan has changed since, or is frozen: the next snapshot shows which
		}
		if err != nil {
			return nil, agencyError(err)
		}
		s, err := c.o.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool { return s.Index >= index })
		if err != nil {
			return nil, agencyError(err)
		}
		return c.snapshot(s), nil
	}
}

// asOf makes tx apply only if Plan and the restore epoch are still those of the snapshot.
func asOf(snap *Snapshot, tx agencyclient.Tx) agencyclient.Tx {
	tx.Ops[keys.PlanVersion] = agencyclient.Increment(1)
	if tx.Pre == nil {
		tx.Pre = map[string]any{}
	}
	for _, key := range []string{keys.PlanVersion, keys.RestoreEpoch} {
		tx.Pre[key] = agencyclient.Exactly(snap.root.At(key))
	}
	return tx
}

// awaitThaw waits until no backup or restore keeps Plan frozen.
func (c *Catalog) awaitThaw(ctx context.Context, until time.Time) error {
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	var holder keys.Holder
	_, err := c.o.Cache.Wait(waiting, func(s agencyclient.Snapshot) bool {
		snap := &Snapshot{root: s.Root}
		if h, held := snap.LockHolder(); held {
			holder = h
		}
		return !snap.Frozen()
	})
	if err == nil {
		return nil
	}
	if ctx.Err() == nil && waiting.Err() != nil {
		return frozen(holder, c.o.Wall.Now())
	}
	return agencyError(err)
}

func frozen(h keys.Holder, now time.Time) error {
	if h.ID == "" {
		return apierror.New(apierror.ClusterTimeout, "databases and collections cannot be changed: a backup or restore holds the agency lock")
	}
	return apierror.New(apierror.ClusterTimeout, "databases and collections cannot be changed: the agency lock is held by %s", h.Describe(now))
}
