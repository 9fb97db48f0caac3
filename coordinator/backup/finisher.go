package backup

import (
	"context"
	"fmt"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/failpoint"
)

// finishPause is how long the finisher waits after something failed.
const finishPause = time.Second

// statusFailed is what the supervision writes for a server that is gone.
const statusFailed = "FAILED"

// finishOrphans releases the lock of committed restores whose coordinator is gone
// once every DB server has reported the new epoch, until ctx ends. Any number of
// coordinators may do so at once: the release names the nonce.
func (s *Service) finishOrphans(ctx context.Context) {
	for {
		snapshot, err := s.Cache.Wait(ctx, func(c agency.Snapshot) bool { return orphan(c.Root) != "" })
		if err == nil {
			nonce := orphan(snapshot.Root)
			call, done := context.WithTimeout(ctx, s.Timing.Agency)
			err = release(call, s.Agency, nonce)
			done()
			if err == nil {
				s.Logger.Info("finished the restore of a coordinator that is gone", "nonce", nonce)
				_, err = s.Cache.Wait(ctx, func(c agency.Snapshot) bool { return orphan(c.Root) != nonce })
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.Logger.Warn("finish orphaned restore", "error", err)
			if pause(ctx, finishPause) != nil {
				return
			}
		}
	}
}

// orphan is the nonce of a lock that a committed restore still holds although its
// coordinator is gone and every DB server is done; "" if there is none.
func orphan(root *agency.Node) string {
	var holder keys.Holder
	var record keys.Restore
	if root.At(keys.HotBackupHolder).Decode(&holder) != nil || root.At(keys.HotBackupRestore).Decode(&record) != nil {
		return "" // there is no lock, or was no restore
	}
	if holder.Operation != keys.OperationRestore || holder.Nonce == "" || holder.Nonce != record.Nonce {
		return ""
	}
	if !gone(root, holder) || len(lagging(root, record.Epoch)) > 0 && !failpoint.Off("finisher-waits-for-servers") {
		return ""
	}
	return holder.Nonce
}

// gone: the coordinator has been started again since, has failed, or is no
// member any more.
func gone(root *agency.Node, h keys.Holder) bool {
	var known keys.Known
	if root.At(keys.ServerKnown(h.Coordinator)).Decode(&known) == nil && known.RebootID != h.RebootID {
		return true
	}
	return root.At(keys.Health+"/"+h.Coordinator+"/Status").Text() == statusFailed ||
		!root.At(keys.PlanCoordinators+"/"+h.Coordinator).Exists()
}

// lagging names the DB servers in Plan that do not serve the epoch yet.
func lagging(root *agency.Node, epoch uint64) []string {
	var out []string
	for id := range root.At(keys.PlanDBServers).Children() {
		var known keys.Known
		if err := root.At(keys.ServerKnown(id)).Decode(&known); (err != nil || known.Epoch < epoch) && !failed(root, id) {
			out = append(out, fmt.Sprintf("%s has epoch %d of %d", id, known.Epoch, epoch))
		}
	}
	return out
}
