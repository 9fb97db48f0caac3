package restore

import (
	"context"
	"errors"
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// replaced returns the failsafe backups of earlier restores, if that of the last restore is whole:
// every DB server that took part has put the restored engine in place, and so its old one into
// the failsafe, or was removed from the cluster. While a backup or restore runs it returns none:
// a restore may need one of them.
func replaced(root *agencyclient.Node) []string {
	var record keys.Restore
	if root.At(keys.HotBackupRestore).Decode(&record) != nil || root.At(keys.HotBackupCreate).Exists() {
		return nil
	}
	for id := range record.Servers {
		if !root.At(keys.PlanDBServers + "/" + id).Exists() {
			continue
		}
		var known keys.Known
		if root.At(keys.ServerKnown(id)).Decode(&known) != nil || known.Epoch < record.Epoch {
			return nil
		}
	}
	return record.Older
}

// retireFailsafes waits for failsafe backups that are replaced, and deletes all of them in one
// transaction, as a delete does with one backup: no list has them from then on, and each server
// removes its pieces, at the latest when it starts.
func (r *Recovery) retireFailsafes(ctx context.Context) error {
	snapshot, err := r.Cache.Wait(ctx, func(c agencyclient.Snapshot) bool { return len(replaced(c.Root)) > 0 })
	if err != nil {
		return err
	}
	root := snapshot.Root
	ids := replaced(root)
	tx := agencyclient.Tx{
		Ops: map[string]any{keys.HotBackupDeletes: agencyclient.Increment(1), keys.HotBackupOlder: agencyclient.Delete()},
		Pre: map[string]any{keys.HotBackupCreate: agencyclient.OldEmpty(true)},
	}
	for _, key := range []string{keys.HotBackupRestore, keys.PlanDBServers} {
		tx.Pre[key] = agencyclient.Exactly(root.At(key))
	}
	tombstone := keys.Deletion{Coordinator: r.Coordinator, Since: r.Locks.Wall.Stamp()}
	for server := range root.At(keys.PlanDBServers).Children() {
		for _, id := range ids {
			tx.Ops[keys.HotBackupDeletion(server, id)] = agencyclient.Set(tombstone)
		}
	}
	call, done := context.WithTimeout(ctx, r.Call)
	defer done()
	index, err := r.Agency.Write(call, tx)
	switch {
	case errors.Is(err, agencyclient.ErrPrecondition): // another coordinator was first, or an operation has begun
		_, err = r.Cache.Sync(call)
		return err
	case err != nil:
		return fmt.Errorf("delete %v: %w", ids, err)
	}
	r.Log.Info("failsafe backups deleted: the newer one is whole", "ids", ids, "newer", root.At(keys.HotBackupRestore).At("previous").Text())
	_, err = r.Cache.Wait(call, func(c agencyclient.Snapshot) bool { return c.Index >= index })
	return err
}
