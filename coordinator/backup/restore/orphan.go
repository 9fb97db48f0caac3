package restore

import (
	"context"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/topology"
	"stasis/internal/failpoint"
)

// releaseOrphan waits for a committed restore whose coordinator has died and that every DB server
// has carried out, and releases its lock. The release names the nonce.
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
	r.Log.Info("completed the restore of a coordinator that has died", "nonce", nonce)
	_, err = r.Cache.Wait(ctx, func(c agencyclient.Snapshot) bool { return orphan(c.Root) != nonce })
	return err
}

// orphan returns the nonce of a lock that a committed restore still holds although its coordinator
// has died and every DB server has carried the restore out; "" if no such lock exists.
func orphan(root *agencyclient.Node) string {
	var holder keys.Holder
	var record keys.Restore
	if root.At(keys.HotBackupHolder).Decode(&holder) != nil || root.At(keys.HotBackupRestore).Decode(&record) != nil {
		return "" // no lock, or no restore
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
