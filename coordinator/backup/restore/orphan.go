package restore

import (
	"context"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/topology"
	"stasis/internal/failpoint"
)

// releaseOrphan waits for a committed restore whose coordinator is gone and that every DB
// server has followed, and releases its lock. The release names the nonce.
func (r *Recovery) releaseOrphan(ctx context.Context) error {
	snapshot, err := r.Cache.Wait(ctx, func(c agencyclient.Snapshot) bool { return orphan(c.Root) != "" })
	if err != nil {
		return err
	}
	nonce := orphan(snapshot.Root)
	call, done := context.WithTimeout(ctx, r.Call)
	defer done()
	if err := r.Locks.Release(call, nonce); err != nil {
		return err
	}
	r.Log.Info("finished the restore of a coordinator that is gone", "nonce", nonce)
	_, err = r.Cache.Wait(ctx, func(c agencyclient.Snapshot) bool { return orphan(c.Root) != nonce })
	return err
}

// orphan is the nonce of a lock that a committed restore still holds although its
// coordinator is gone and every DB server is done; "" if there is none.
func orphan(root *agencyclient.Node) string {
	var holder keys.Holder
	var record keys.Restore
	if root.At(keys.HotBackupHolder).Decode(&holder) != nil || root.At(keys.HotBackupRestore).Decode(&record) != nil {
		return "" // there is no lock, or was no restore
	}
	if holder.Operation != keys.OperationRestore || holder.Nonce == "" || holder.Nonce != record.Nonce {
		return ""
	}
	if !topology.CoordinatorGone(root, holder.Coordinator, holder.RebootID) {
		return ""
	}
	if len(topology.Lagging(root, record.Epoch)) > 0 && !failpoint.Off("recovery-waits-for-servers") {
		return ""
	}
	return holder.Nonce
}
