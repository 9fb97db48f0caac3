package fsm

import "math"

// A weight is about the memory that something takes, in bytes, and never less than its
// length as JSON. It is a function of the value alone, so replicas agree on it, and it is
// kept up with every change: a state's weight costs nothing to ask for.
const (
	nodeWeight  = 64 // any node, by itself
	itemWeight  = 8  // an element's place in its array
	childWeight = 80 // a child's place in its object, beside its key
	pathWeight  = 96 // an entry of the books beside the tree: what expires, who observes
	// They are a part of limitedFormat: whether a logged transaction is applied depends on
	// them. Other weights need another format.
)

// weight is that of a node and all below it. Arithmetic modulo 2⁶⁴ keeps it a function of
// the value where a log of earlier versions, which had no limit, has built more than that.
func (n *Node) weight() uint64 {
	switch {
	case n == nil:
		return 0
	case n.kind == kindString || n.kind == kindArray || n.kind == kindObject:
		return nodeWeight + n.bits
	}
	return nodeWeight
}

// Weight is about how many bytes of memory the value takes, and no less than its length
// as JSON.
func (n *Node) Weight() int64 { return signed(n.weight()) }

func signed(weight uint64) int64 { return int64(min(weight, math.MaxInt64)) }

// keyed is the weight of a child's place.
func keyedWeight(key string) uint64 { return childWeight + quoted(key) }

// quoted is the length of a text as JSON.
func quoted(s string) uint64 {
	length := uint64(len(s)) + 2
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
			length++
		case c < ' ':
			length += 5
		}
	}
	return length
}

// Weight is that of the tree, of what is noted of lifetimes, and of observers.
func (s *State) Weight() int64 { return signed(s.weight()) }

func (c contents) weight() uint64 { return c.root.weight() + c.lifetimes.weight + c.observers.weight }

// Adds is at most how much heavier the transaction makes a tree, for whoever decides
// whether a limit can matter to it; math.MaxInt64 if only applying it tells.
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

// unbounded is what an operation adds that puts one element in the place of many.
const unbounded = math.MaxUint64

// Within is the transaction with a limit: applied to a tree it must not leave one that is
// heavier than the limit and than the tree was; then it is not applied, with ErrLimit.
// What makes the tree no heavier is always applied. 0 is no limit. The limit goes with the
// transaction through the log, so all replicas decide alike.
func (t Transaction) Within(limit int64) Transaction {
	t.limit = uint64(max(limit, 0))
	return t
}

// absurd ends a transaction between two operations: the next could make more of it
// than can be counted.
const absurd = 1 << 36

// over says whether the limit forbids to leave a tree of a weight.
func (t Transaction) over(before, after uint64) bool {
	return t.limit > 0 && after > t.limit && after > before
}

// pathAdds is what is made at most to have a place at segs.
func pathAdds(segs []string) uint64 {
	var sum uint64
	for _, seg := range segs {
		sum += nodeWeight + keyedWeight(seg)
	}
	return sum
}
