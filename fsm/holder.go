package fsm

import (
	"slices"

	"stasis/internal/failpoint"
)

// frozenOut says whether the freeze forbids the transaction, whose preconditions hold. Only a
// transaction that shows the nonce of the lock's holder may touch Plan.
func (t Transaction) frozenOut(root *Node) bool {
	return Frozen(root) && !t.showsNonce() && !failpoint.Off("plan-is-frozen") &&
		slices.ContainsFunc(t.operations, func(o operation) bool { return touchesPlan(o.path) })
}

// showsNonce says whether a precondition requires that the nonce is a string that is not empty. As
// the precondition holds, that string is the holder's nonce. An empty one proves nothing: it also
// matches where there is no holder.
func (t Transaction) showsNonce() bool {
	return slices.ContainsFunc(t.preconditions, func(p precondition) bool {
		return p.path == noncePath && slices.ContainsFunc(p.conditions, func(c condition) bool {
			return c.operator == "old" && c.argument.Text() != "" || failpoint.Off("freeze-knows-its-holder")
		})
	})
}

// mostShown bounds, in bytes, the preconditions that are searched for a nonce.
const mostShown = 64 << 10

// ByHolder says whether the text of a transaction, which is JSON, changes Plan as the holder of the
// lock in this tree: one of its preconditions is the holder's nonce. It does not read the values of
// the operations, so that a large transaction of another client costs little.
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

// ByHolder is ByHolder of its text.
func (t Transaction) ByHolder(root *Node) bool { return ByHolder(t.raw, root) }
