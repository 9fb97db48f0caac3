package topology

import (
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// statusFailed is what the supervision writes of a server that it has given up.
const statusFailed = "FAILED"

// Failed says that the supervision has given a DB server up. Such a server has no lease, so
// it serves nothing, and it follows a restore before it serves again.
func Failed(root *agencyclient.Node, server string) bool {
	return root.At(keys.Health+"/"+server+"/Status").Text() == statusFailed
}

// CoordinatorGone says that a coordinator no longer does what it did as rebootID: it has
// been started again, has failed, or is no member of the cluster any more.
func CoordinatorGone(root *agencyclient.Node, id string, rebootID uint64) bool {
	var known keys.Known
	if root.At(keys.ServerKnown(id)).Decode(&known) == nil && known.RebootID != rebootID {
		return true
	}
	return Failed(root, id) || !root.At(keys.PlanCoordinators+"/"+id).Exists()
}
