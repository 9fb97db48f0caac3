package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// building is an entry of Plan between the two changes that create it.
type building struct {
	what     string       // for messages: "collection books"
	key      string       // in Plan
	id       string       // of this entry: another one may take its key
	failed   apierror.Num // creating it failed on a DB server
	also     []string     // further keys that go when it is undone
	reported func(*View) (done bool, err error)
}

// errGone says that the entry is no longer there, or no longer being built here.
var errGone = errors.New("it was removed while it was being created")

// create writes the entry, waits for the DB servers and makes it visible. plan
// makes the entry from a view, and the operation that writes it.
func (c *Catalog) create(ctx context.Context, b *building, plan func(*View) (agencyclient.Tx, error)) (*View, error) {
	if _, err := c.change(ctx, plan); err != nil {
		if b.id != "" && errors.Is(err, apierror.AgencyFailed) {
			c.cleanUp(b) // it may have been written
		}
		return nil, err
	}
	err := c.awaitReports(ctx, b)
	if err == nil {
		var v *View
		if v, err = c.change(ctx, func(v *View) (agencyclient.Tx, error) { return c.finish(v, b) }); err == nil {
			c.deps.Logger.Info("created", "what", b.what, "id", b.id)
			return v, nil
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
	ctx, cancel := context.WithTimeout(ctx, c.deps.Wait)
	defer cancel()
	var failure error
	_, err := c.deps.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool {
		v := c.view(s)
		if !c.mine(v, b) {
			failure = errGone
			return true
		}
		done, err := b.reported(v)
		failure = err
		return done || err != nil
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return apierror.New(apierror.ClusterTimeout, "create %s: DB servers have not reported it within %v", b.what, c.deps.Wait)
	case err != nil:
		return agencyError(err)
	case failure != nil && !errors.Is(failure, errGone):
		return apierror.New(b.failed, "create %s: %w", b.what, failure)
	}
	return failure
}

// mark are the attributes of an entry that is being built by this coordinator now.
func (c *Catalog) mark() (coordinator string, reboot uint64) { return c.deps.ID, c.deps.RebootID() }

// mine says that the entry is there, and still being built here.
func (c *Catalog) mine(v *View, b *building) bool {
	node := v.root.At(b.key)
	return node.At("id").Text() == b.id && node.At("isBuilding").Exists() && node.At("coordinator").Text() == c.deps.ID
}

func (c *Catalog) finish(v *View, b *building) (agencyclient.Tx, error) {
	if !c.mine(v, b) {
		return agencyclient.Tx{}, errGone
	}
	ops := map[string]any{}
	for _, name := range []string{"isBuilding", "coordinator", "coordinatorRebootId"} {
		ops[b.key+"/"+name] = agencyclient.Delete()
	}
	return agencyclient.Tx{Ops: ops}, nil
}

func (c *Catalog) undo(v *View, b *building) (agencyclient.Tx, error) {
	if !c.mine(v, b) {
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

// cleanUp deletes the entry, however long that takes: Plan may be frozen, the
// agency away.
func (c *Catalog) cleanUp(b *building) {
	if c.ctx.Err() != nil {
		return
	}
	c.cleanups.Go(func() {
		for c.ctx.Err() == nil {
			_, err := c.change(c.ctx, func(v *View) (agencyclient.Tx, error) { return c.undo(v, b) })
			if err == nil || errors.Is(err, errGone) {
				return
			}
			c.deps.Logger.Warn("undoing an unfinished create, will try again", "what", b.what, "error", err)
			select {
			case <-c.ctx.Done():
			case <-time.After(cleanUpPause):
			}
		}
	})
}

// reportError is what a DB server said against creating something.
func reportError(num int, message, where string) error {
	return fmt.Errorf("%s: error %d: %s", where, num, message)
}

// planKeysOf are the keys of a database beside its entry.
func planKeysOf(db string) []string { return []string{keys.PlanCollections + "/" + db} }
