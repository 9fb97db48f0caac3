package fsm

import (
	"fmt"
	"slices"
	"strings"

	"stasis/internal/failpoint"
)

// run evaluates the transaction in base, the contents of a tree of a weight without what
// has expired. It returns the contents afterwards, or the failed preconditions, if any,
// and the reason.
func (t Transaction) run(base contents, weight uint64) (after contents, failed []string, reason error) {
	if t.raw == nil {
		return base, nil, ErrMalformed
	}
	if t.Forbidden() {
		return base, nil, ErrForbidden
	}
	if failed = t.unmet(base.root); failed != nil {
		return base, failed, fmt.Errorf("%w: %s", ErrPrecondition, strings.Join(failed, ", "))
	}
	if t.frozenOut(base.root) {
		return base, []string{lockPath}, ErrFrozen
	}
	if t.fault != nil {
		return base, nil, t.fault
	}
	after = base
	for _, o := range t.operations {
		if after, reason = o.apply(after); reason != nil {
			return base, nil, fmt.Errorf("%s: %w", o.path, reason)
		}
		if t.over(max(weight, absurd), after.weight()) {
			break
		}
	}
	if t.over(weight, after.weight()) && !failpoint.Off("tree-has-a-limit") {
		return base, nil, fmt.Errorf("%w: %d bytes, where %d are there and %d are allowed", ErrLimit, after.weight(), weight, t.limit)
	}
	return after, nil, nil
}

// unmet lists the paths whose preconditions do not hold, sorted, each once.
func (t Transaction) unmet(root *Node) []string {
	var failed []string
	for _, p := range t.preconditions {
		n := root.at(p.segs)
		if slices.ContainsFunc(p.conditions, func(c condition) bool { return !c.holds(n) }) {
			failed = append(failed, p.path)
		}
	}
	return slices.Compact(failed)
}

// absurd ends a transaction between two operations: a next operation that multiplies what is there
// could make more of it than the memory holds.
const absurd = 1 << 36
