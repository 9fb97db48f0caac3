package catalog

import (
	"context"
	"errors"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// building is an entry of Plan between the two changes that create it.
type building struct {
	what     string                                 // for messages: "collection books"
	key      string                                 // in Plan
	id       string                                 // of this entry: another one may take its key
	failed   apierror.Num                           // creating it failed on a DB server
	also     []string                               // further keys that are deleted with it when it is undone
	reported func(*Snapshot) (done bool, err error) // by the DB servers
}

// errGone says that the entry does not exist any more, or is not being created here.
var errGone = errors.New("it was removed while it was being created")

// create writes the entry, waits for the DB servers and makes the entry visible. plan makes
// the entry from a snapshot, and the operation that writes it.
func (c *Catalog) create(ctx context.Context, b *building, plan func(*Snapshot) (agencyclient.Tx, error)) (*Snapshot, error) {
	if _, err := c.change(ctx, plan); err != nil {
		// If the answer of the agency was lost, the entry may have been written.
		if b.id != "" && errors.Is(err, apierror.AgencyFailed) {
			c.cleanUp(b)
		}
		return nil, err
	}
	err := c.awaitReports(ctx, b)
	if err == nil {
		var snap *Snapshot
		if snap, err = c.change(ctx, func(snap *Snapshot) (agencyclient.Tx, error) { return c.finish(snap, b) }); err == nil {
			c.o.Logger.Info("created", "what", b.what, "id", b.id)
			return snap, nil
		}
	}
	c.cleanUp(b)
	if errors.Is(err, errGone) {
		return nil, apierror.New(b.failed, "create %s: %w", b.what, err)
	}
	return nil, err
}

// awaitReports waits until the DB servers have what is planned.
func (c *Catalog) awaitReports(ctx context.Context, b *building) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.ReportWait)
	defer cancel()
	var failure error
	_, err := c.o.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool {
		snap := c.snapshot(s)
		if !c.mine(snap, b) {
			failure = errGone
			return true
		}
		done, err := b.reported(snap)
		failure = err
		return done || err != nil
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return apierror.New(apierror.ClusterTimeout, "create %s: DB servers have not reported it within %v", b.what, c.o.ReportWait)
	case err != nil:
		return agencyError(err)
	case failure != nil && !errors.Is(failure, errGone):
		return apierror.New(b.failed, "create %s: %w", b.what, failure)
	}
	return failure
}

// mark returns the attributes of an entry that this coordinator is creating.
func (c *Catalog) mark() (coordinator string, reboot uint64) { return c.o.ID, c.o.RebootID() }

// mine says whether the entry exists and this coordinator is still creating it.
func (c *Catalog) mine(snap *Snapshot, b *building) bool {
	node := snap.root.At(b.key)
	return node.At("id").Text() == b.id && node.At("isBuilding").Exists() && node.At("coordinator").Text() == c.o.ID
}

func (c *Catalog) finish(snap *Snapshot, b *building) (agencyclient.Tx, error) {
	if !c.mine(snap, b) {
		return agencyclient.Tx{}, errGone
	}
	ops := map[string]any{}
	for _, name := range []string{"isBuilding", "coordinator", "coordinatorRebootId"} {
		ops[b.key+"/"+name] = agencyclient.Delete()
	}
	return agencyclient.Tx{Ops: ops}, nil
}

func (c *Catalog) undo(snap *Snapshot, b *building) (agencyclient.Tx, error) {
	if !c.mine(snap, b) {
		return agencyclient.Tx{}, errGone
	}
	ops := map[string]any{b.key: agencyclient.Delete()}
	for _, key := range b.also {
		ops[key] = agencyclient.Delete()
	}
	return agencyclient.Tx{Ops: ops}, nil
}

// cleanUpPause is between two attempts to undo.
const cleanUpPause = time.Second

// cleanUp deletes the entry in the background, and tries until it succeeds: Plan may be
// frozen, or the agency unreachable.
func (c *Catalog) cleanUp(b *building) {
	if c.ctx.Err() != nil {
		return
	}
	c.cleanups.Go(func() {
		for c.ctx.Err() == nil {
			_, err := c.change(c.ctx, func(snap *Snapshot) (agencyclient.Tx, error) { return c.undo(snap, b) })
			if err == nil || errors.Is(err, errGone) {
				return
			}
			c.o.Logger.Warn("undoing an unfinished create, will try again", "what", b.what, "error", err)
			if wait.For(c.ctx, cleanUpPause) != nil {
				return // the Catalog is closed: the supervision deletes the entry
			}
		}
	})
}
