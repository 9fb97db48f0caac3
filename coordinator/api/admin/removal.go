package admin

import (
	"cmp"
	"fmt"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
)

// obstacle returns why a server cannot be removed now, "" if it can.
func obstacle(snap *catalog.Snapshot, id string) string {
	if h, _ := snap.Health(id); h.Status != keys.StatusFailed {
		return fmt.Sprintf("it is not FAILED, it is %s", cmp.Or(h.Status, "unknown to the supervision"))
	}
	if shard, where := snap.UsedBy(id); shard != "" {
		return fmt.Sprintf("shard %s has it in %s", shard, where)
	}
	return ""
}

// deletions is the key of the server's pieces that must be deleted.
func deletions(id string) string { return keys.HotBackupDeleted + "/" + id }

// removal makes the cluster forget a server. That Plan is as in the snapshot is a precondition
// already (Catalog.Change). That Current is, keeps a leader from taking the server into its
// in-sync set meanwhile. The orders to delete pieces of deleted backups are forgotten with the
// server. If it comes back, the count of deletions tells it that it may have such pieces.
func removal(snap *catalog.Snapshot, id, now string) agencyclient.Tx {
	tx := agencyclient.Tx{
		Ops: map[string]any{
			keys.ServerRemoved(id): agencyclient.Set(now),
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
