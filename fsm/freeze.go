package fsm

// The freeze is decided by these keys. The state machine knows no other keys of the cluster.
const (
	lockPath  = "/arango/Target/HotBackup/Create"
	noncePath = "/arango/Target/HotBackup/Holder/nonce"
	thawPath  = "/arango/Target/HotBackup/Holder/thawed"
	planPath  = "/arango/Plan"
)

// Frozen says whether Plan is frozen in this tree: the agency lock exists, and its holder has not
// thawed Plan. A thaw repeats the value of the lock that it belongs to. So a thaw that is left over
// from an earlier lock does not count for the next one.
func Frozen(root *Node) bool {
	lock := root.At(lockPath)
	return lock.Exists() && !Equal(lock, root.At(thawPath))
}

// touchesPlan says whether a change at path may change Plan: at it, below or above.
func touchesPlan(path string) bool { return covers(path, planPath) || covers(planPath, path) }

// HasHolder says whether the lock in this tree has a holder with a nonce, who can change Plan.
func HasHolder(root *Node) bool { return root.At(lockPath).Exists() && root.At(noncePath).Text() != "" }
