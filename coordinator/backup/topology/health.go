package topology

import (
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// statusFailed is the status of a server that the supervision has given up.
const statusFailed = "FAILED"

// Failed says whether the supervision has given a DB server up. Such a server has no lease, so it
// serves nothing, and it carries out a restore before it serves again.
func Failed(root *agencyclient.Node, server string) bool {
	return root.At(keys.Health+"/"+server+"/Status").Text() == statusFailed
}

// CoordinatorGone says whether the process of a coordinator with this reboot id has ended: the
// coordinator was started again, has FAILED, or is not a member of the cluster any more.
func CoordinatorGone(root *agencyclient.Node, id string, rebootID uint64) bool {
	var known keys.Known
	if root.At(keys.ServerKnown(id)).Decode(&known) == nil && known.RebootID != rebootID {
		return true
	}
	return Failed(root, id) || !root.At(keys.PlanCoordinators+"/"+id).Exists()
}
