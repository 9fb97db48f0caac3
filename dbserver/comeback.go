package dbserver

import (
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
)

// comeBack is for a server that was removed from the cluster and joins again with its
// directory. Backups may have been deleted meanwhile, and nothing in the agency tells it
// which: its wishes that pieces go went with it. So unless no backup has been deleted
// since, pieces stay that the agency's records vouch for, and all others go: a part of a
// deleted backup must not be listed. They are what was downloaded here, or set aside by a
// restore. The result makes sure that the server enters Plan only if no backup has been
// deleted since root.
func (s *Server) comeBack(root *node) (agencyclient.Comeback, error) {
	removed := root.At(keys.ServerRemoved(s.id))
	if root.At(keys.PlanDBServers+"/"+s.id).Exists() || !removed.Exists() {
		return agencyclient.Comeback{}, nil
	}
	back := agencyclient.Comeback{Removed: removed, Deletes: root.At(keys.HotBackupDeletes)}
	s.log.Info("coming back after it was removed from the cluster")
	deletes, _ := back.Deletes.Int() // missing: 0
	if then, known := root.At(keys.Departed(s.id)).Int(); known && then == deletes {
		return back, nil
	}
	pieces, err := s.pieces.Load().Published.List(dbclient.ListRequest{})
	if err != nil {
		return back, fmt.Errorf("look which pieces are still those of backups: %w", err)
	}
	for _, p := range pieces {
		if nonce := root.At(keys.HotBackupCommit(p.ID)).At("nonce").Text(); nonce != "" && nonce == p.Nonce {
			continue
		}
		s.log.Warn("removing a piece that may be of a deleted backup: backups were deleted while this server was out of the cluster", "id", p.ID, "kind", p.Kind)
		if err := s.pieces.Load().Published.Delete(p.ID); err != nil {
			return back, fmt.Errorf("remove the piece of %s: %w", p.ID, err)
		}
	}
	return back, nil
}
