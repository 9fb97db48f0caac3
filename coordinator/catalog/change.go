package catalog

import (
	"context"
	"errors"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// Change writes Plan for another package: change, while the Catalog is open and ctx
// lasts.
func (c *Catalog) Change(ctx context.Context, build func(*View) (agencyclient.Tx, error)) (*View, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	return c.change(ctx, build)
}

// change writes Plan. build makes the operations from a view as new as now, or
// says why there is nothing to write; it is called again whenever the view was
// out of date by the time of the write. The view returned shows the change.
func (c *Catalog) change(ctx context.Context, build func(*View) (agencyclient.Tx, error)) (*View, error) {
	thaw := time.Now().Add(c.deps.Thaw)
	for {
		v, err := c.Sync(ctx)
		if err != nil {
			return nil, err
		}
		if v.Frozen() {
			if err := c.awaitThaw(ctx, thaw); err != nil {
				return nil, err
			}
			continue
		}
		tx, err := build(v)
		if err != nil {
			return nil, err
		}
		index, err := c.deps.Agency.Write(ctx, asOf(v, tx))
		if errors.Is(err, agencyclient.ErrPrecondition) {
			continue // Plan has changed since, or is frozen: the next view tells
		}
		if err != nil {
			return nil, agencyError(err)
		}
		s, err := c.deps.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool { return s.Index >= index })
		if err != nil {
			return nil, agencyError(err)
		}
		return c.view(s), nil
	}
}

// asOf makes tx apply only if Plan and the restore epoch are those of the view.
func asOf(v *View, tx agencyclient.Tx) agencyclient.Tx {
	tx.Ops[keys.PlanVersion] = agencyclient.Increment(1)
	if tx.Pre == nil {
		tx.Pre = map[string]any{}
	}
	for _, key := range []string{keys.PlanVersion, keys.RestoreEpoch} {
		tx.Pre[key] = agencyclient.Exactly(v.root.At(key))
	}
	return tx
}

// awaitThaw waits until no backup or restore keeps Plan frozen.
func (c *Catalog) awaitThaw(ctx context.Context, until time.Time) error {
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	var holder keys.Holder
	_, err := c.deps.Cache.Wait(waiting, func(s agencyclient.Snapshot) bool {
		v := &View{root: s.Root}
		if h, held := v.LockHolder(); held {
			holder = h
		}
		return !v.Frozen()
	})
	if err == nil {
		return nil
	}
	if ctx.Err() == nil && waiting.Err() != nil {
		return frozen(holder)
	}
	return agencyError(err)
}

func frozen(h keys.Holder) error {
	if h.ID == "" {
		return apierror.New(apierror.ClusterTimeout, "databases and collections cannot be changed: a backup or restore holds the agency lock")
	}
	return apierror.New(apierror.ClusterTimeout, "databases and collections cannot be changed while %s of hot backup %s runs (coordinator %s)",
		h.Operation, h.ID, h.Coordinator)
}
