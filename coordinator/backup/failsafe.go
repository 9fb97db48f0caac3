package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	agency "stasis/agency/client"
	"stasis/agency/keys"
)

// failsafes are those of the restores until now. The next restore has to keep them until
// its own is whole.
func (c *cluster) failsafes() []string {
	if c.restored.Previous == "" {
		return nil
	}
	return append(slices.Clone(c.restored.Older), c.restored.Previous)
}

// expected is what the agency knows of a backup: its record, or for the failsafe of the
// last restore, which has none, the servers that set an engine aside for it.
func (c *cluster) expected(id string) keys.Commit {
	commit, recorded := c.commits[id]
	if !recorded && id == c.restored.Previous {
		commit.Servers = slices.Sorted(maps.Keys(c.restored.Servers))
	}
	return commit
}

// retireFailsafes deletes the failsafe backups of earlier restores when that of the last
// one is whole, until ctx ends. Any number of coordinators may do so at once.
func (s *Service) retireFailsafes(ctx context.Context) {
	for {
		snapshot, err := s.Cache.Wait(ctx, func(c agency.Snapshot) bool { return len(replaced(c.Root)) > 0 })
		if err == nil {
			err = s.retire(ctx, snapshot.Root)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.Logger.Warn("delete replaced failsafe backups", "error", err)
			if pause(ctx, finishPause) != nil {
				return
			}
		}
	}
}

// replaced are the failsafe backups of earlier restores, if the last restore's is whole:
// every DB server that took part has put the restored engine in place, and so its old one
// into the failsafe, or has been removed from the cluster. While a backup or restore is
// under way there are none: a restore may need one of them.
func replaced(root *agency.Node) []string {
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

// retire deletes all replaced failsafe backups in one transaction, as Delete does with one
// backup: they go from every list at once, and from each server when it is there.
func (s *Service) retire(ctx context.Context, root *agency.Node) error {
	ids := replaced(root)
	tx := agency.Tx{
		Ops: map[string]any{keys.HotBackupDeletes: agency.Increment(1), keys.HotBackupOlder: agency.Delete()},
		Pre: map[string]any{keys.HotBackupCreate: agency.OldEmpty(true)},
	}
	for _, key := range []string{keys.HotBackupRestore, keys.PlanDBServers} {
		tx.Pre[key] = agency.Exactly(root.At(key))
	}
	deletion := keys.Deletion{Coordinator: s.ID, Since: now().DateTime()}
	for server := range root.At(keys.PlanDBServers).Children() {
		for _, id := range ids {
			tx.Ops[keys.HotBackupDeletion(server, id)] = agency.Set(deletion)
		}
	}
	call, done := context.WithTimeout(ctx, s.Timing.Agency)
	defer done()
	index, err := s.Agency.Write(call, tx)
	switch {
	case errors.Is(err, agency.ErrPrecondition): // another coordinator was first, or something has begun
		_, err = s.Cache.Sync(call)
		return err
	case err != nil:
		return fmt.Errorf("delete %v: %w", ids, err)
	}
	s.Logger.Info("failsafe backups deleted: the newer one is whole", "ids", ids, "newer", root.At(keys.HotBackupRestore).At("previous").Text())
	_, err = s.Cache.Wait(call, func(c agency.Snapshot) bool { return c.Index >= index })
	return err
}
