package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// removeServer takes a server out of the cluster for good. It waits for a while until
// the server has failed and no shard uses it any more.
func (a *Admin) removeServer(c *rest.Call) error {
	name, err := serverOf(c, nil)
	if err != nil {
		return err
	}
	ctx := c.R.Context()
	over := time.NewTimer(a.Timing.Remove)
	defer over.Stop()
	tick := time.NewTicker(a.Timing.Again)
	defer tick.Stop()
	for {
		err := a.remove(ctx, name)
		var busy errBusy
		switch {
		case err == nil:
			return c.OK(http.StatusOK, nil)
		case !errors.As(err, &busy):
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return apierror.New(apierror.PreconditionFailed, "server %s cannot be removed: %w", name, busy)
		}
	}
}

// errBusy says why a server cannot be removed now.
type errBusy string

func (e errBusy) Error() string { return string(e) }

// remove takes the server out if nothing speaks against it.
func (a *Admin) remove(ctx context.Context, name string) error {
	var id string
	_, err := a.Catalog.Change(ctx, func(snap *catalog.Snapshot) (agencyclient.Tx, error) {
		var err error
		if id, err = server(snap, name); err != nil {
			return agencyclient.Tx{}, err
		}
		if why := obstacle(snap, id); why != "" {
			return agencyclient.Tx{}, errBusy(why)
		}
		return removal(snap, id), nil
	})
	if err == nil {
		a.Logger.Info("server removed", "server", id)
	}
	return err
}

// server finds a DB server or coordinator of Plan by id or short name.
func server(snap *catalog.Snapshot, name string) (string, error) {
	for _, id := range snap.Coordinators() {
		if id == name || snap.ShortName(id) == name {
			return id, nil
		}
	}
	id, err := dbserver(snap, name)
	if err != nil {
		return "", notFound("unknown server %q", name)
	}
	return id, nil
}

// obstacle is what speaks against removing a server now, "" if nothing does.
func obstacle(snap *catalog.Snapshot, id string) string {
	if h, _ := snap.Health(id); h.Status != keys.StatusFailed {
		return fmt.Sprintf("it is not FAILED, it is %s", cmp.Or(h.Status, "unknown to the supervision"))
	}
	if shard, where := snap.UsedBy(id); shard != "" {
		return fmt.Sprintf("shard %s has it in %s", shard, where)
	}
	return ""
}

// deletions is the key of a server's pieces that have to go.
func deletions(id string) string { return keys.HotBackupDeleted + "/" + id }

// removal is everything that makes the cluster forget a server. That Plan is as
// the view has it is a precondition already (Catalog.Change); that Current is keeps
// a leader from taking the server into its in-sync set meanwhile. The wishes that pieces
// of deleted backups go are forgotten with it; if it comes back, it finds out by the
// count of deletions that it may have such pieces.
func removal(snap *catalog.Snapshot, id string) agencyclient.Tx {
	tx := agencyclient.Tx{
		Ops: map[string]any{
			keys.ServerRemoved(id): agencyclient.Set(stamp(time.Now())),
			keys.CurrentVersion:    agencyclient.Increment(1),
		},
		Pre: map[string]any{
			keys.ServerHealth(id) + "/Status": agencyclient.Old(keys.StatusFailed),
			keys.ServerKnown(id):              agencyclient.Exactly(snap.Node(keys.ServerKnown(id))),
			keys.CurrentVersion:               agencyclient.Exactly(snap.Node(keys.CurrentVersion)),
			keys.HotBackupDeletes:             agencyclient.Exactly(snap.Node(keys.HotBackupDeletes)),
		},
	}
	for _, key := range []string{
		keys.PlanDBServers + "/" + id, keys.PlanCoordinators + "/" + id, keys.CurrentDBServers + "/" + id, keys.CurrentCoordinators + "/" + id,
		keys.ServerRegistered(id), keys.ServerKnown(id), keys.ServerHealth(id), keys.FailedServers + "/" + id, keys.ShortIDs + "/" + id,
		keys.TargetMaintenance + "/" + id, keys.CurrentMaintenance + "/" + id, deletions(id),
	} {
		if snap.Node(key).Exists() {
			tx.Ops[key] = agencyclient.Delete()
		}
	}
	if snap.Node(keys.PlanDBServers+"/"+id).Exists() && snap.Node(deletions(id)).Len() == 0 {
		deletes, _ := snap.Node(keys.HotBackupDeletes).Int() // missing: 0
		tx.Ops[keys.Departed(id)] = agencyclient.Set(deletes)
	}
	for db, servers := range snap.Node(keys.CurrentDatabases).Children() {
		if servers.At(id).Exists() {
			tx.Ops[keys.CurrentDatabase(db, id)] = agencyclient.Delete()
		}
	}
	for _, key := range []string{keys.CleanedServers, keys.ToBeCleaned} {
		var ids []string
		if snap.Node(key).Decode(&ids) == nil && slices.Contains(ids, id) {
			tx.Ops[key] = agencyclient.Erase(id)
		}
	}
	return tx
}
