package pieces

import (
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
)

// Rejoin is for a server that was removed from the cluster and joins again with its directory.
// It is called before the server registers.
//
// Backups may have been deleted while the server was away, and no tombstone tells it which: the
// tombstones were removed with it. So unless no backup has been deleted since, only the pieces
// stay for which the agency has a commit with the same nonce. All others go, because a part of
// a deleted backup must not be listed: among them may be pieces that were downloaded here or
// set aside by a restore.
//
// The result has the server registered only if no backup has been deleted since root.
func (m *Manager) Rejoin(root *agencyclient.Node) (agencyclient.Comeback, error) {
	removed := root.At(keys.ServerRemoved(m.ID))
	if root.At(keys.PlanDBServers+"/"+m.ID).Exists() || !removed.Exists() {
		return agencyclient.Comeback{}, nil
	}
	back := agencyclient.Comeback{Removed: removed, Deletes: root.At(keys.HotBackupDeletes)}
	m.Logger.Info("joining again after this server was removed from the cluster")
	deletes, _ := back.Deletes.Int() // missing: 0
	if then, known := root.At(keys.Departed(m.ID)).Int(); known && then == deletes {
		return back, nil
	}
	pieces, err := m.Store.Published.List(dbclient.ListRequest{})
	if err != nil {
		return back, fmt.Errorf("list the pieces to see which are of deleted backups: %w", err)
	}
	for _, p := range pieces {
		if nonce := root.At(keys.HotBackupCommit(p.ID)).At("nonce").Text(); nonce != "" && nonce == p.Nonce {
			continue
		}
		m.Logger.Warn("removing a piece that may be of a deleted backup: backups were deleted while this server was not in the cluster", "id", p.ID, "kind", p.Kind)
		if err := m.Store.Published.Delete(p.ID); err != nil {
			return back, fmt.Errorf("remove the piece of %s: %w", p.ID, err)
		}
	}
	return back, nil
}
