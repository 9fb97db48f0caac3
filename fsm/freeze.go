package fsm

import (
	"slices"

	"stasis/internal/failpoint"
)

// Where the freeze is decided. The state machine knows these four keys of the
// cluster's and no others.
const (
	lockPath  = "/arango/Target/HotBackup/Create"
	noncePath = "/arango/Target/HotBackup/Holder/nonce"
	thawPath  = "/arango/Target/HotBackup/Holder/thawed"
	planPath  = "/arango/Plan"
)

// Frozen says whether Plan is frozen in this tree: the agency lock exists, and its
// holder has not thawed Plan. A thaw repeats the value of the lock that it belongs to,
// so that one that is left over means nothing for the next lock.
func Frozen(root *Node) bool {
	lock := root.At(lockPath)
	return lock.Exists() && !Equal(lock, root.At(thawPath))
}

// touchesPlan says whether a change at path may change Plan: at it, below or above.
func touchesPlan(path string) bool { return covers(path, planPath) || covers(planPath, path) }

// frozenOut says whether the freeze forbids the transaction, whose preconditions
// hold. Only who shows the nonce of the lock's holder may touch Plan.
func (t Transaction) frozenOut(root *Node) bool {
	return Frozen(root) && !t.showsNonce() && !failpoint.Off("plan-is-frozen") &&
		slices.ContainsFunc(t.operations, func(o operation) bool { return touchesPlan(o.path) })
}

// showsNonce says whether a precondition demands that the nonce be some string
// that is not empty; as it holds, it is the holder's.
func (t Transaction) showsNonce() bool {
	return slices.ContainsFunc(t.preconditions, func(p precondition) bool {
		return p.path == noncePath && slices.ContainsFunc(p.conditions, func(c condition) bool {
			return c.operator == "old" && c.argument.Text() != "" || failpoint.Off("freeze-knows-its-holder")
		})
	})
}

// mostShown bounds the preconditions that are looked at for a nonce.
const mostShown = 64 << 10

// HasHolder says whether somebody holds the lock in this tree, so that there can be a change
// of Plan by its holder.
func HasHolder(root *Node) bool { return root.At(lockPath).Exists() && root.At(noncePath).Text() != "" }

// ByHolder says whether the text of a transaction, which is JSON, changes Plan as the
// holder of the lock in this tree: it shows the holder's nonce, as a precondition that
// holds. The values of its operations are not read, so it costs little to say no.
func ByHolder(raw []byte, root *Node) bool {
	nonce := root.At(noncePath)
	if opens(raw) != '[' || !HasHolder(root) {
		return false
	}
	parts := parseElements(raw)
	if len(parts) < 2 || opens(parts[0]) != '{' || len(parts[1]) > mostShown {
		return false
	}
	operations, err := parseFields(parts[0])
	preconditions, preErr := parsePreconditions(parts[1])
	if err != nil || preErr != nil {
		return false
	}
	shows := func(p precondition) bool {
		return p.path == noncePath && slices.ContainsFunc(p.conditions, func(c condition) bool {
			return c.operator == "old" && (Equal(c.argument, nonce) || failpoint.Off("large-plan-is-the-holders"))
		})
	}
	return slices.ContainsFunc(preconditions, shows) &&
		slices.ContainsFunc(operations, func(f field) bool { return touchesPlan(normal(segments(f.name))) })
}
