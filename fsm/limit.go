package fsm

import "math"

// Adds is at most how much heavier the transaction makes a tree. A caller decides by it whether a limit
// can matter. It is math.MaxInt64 if only applying the transaction tells.
func (t Transaction) Adds() int64 {
	var sum uint64
	for _, o := range t.operations {
		if o.adds == unbounded {
			return math.MaxInt64
		}
		sum += o.adds
	}
	return signed(sum)
}

// Within is the transaction with a limit. It is not applied, with [ErrLimit], if it would leave a tree
// that is heavier than the limit and heavier than the tree was: a transaction that deletes is applied
// to a tree that is too heavy. 0 is no limit. The limit goes with the transaction through the log, so
// all replicas decide alike.
func (t Transaction) Within(limit int64) Transaction {
	t.limit = uint64(max(limit, 0))
	return t
}

// over says whether the limit forbids to leave a tree of a weight.
func (t Transaction) over(before, after uint64) bool {
	return t.limit > 0 && after > t.limit && after > before
}
