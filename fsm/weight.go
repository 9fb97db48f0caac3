package fsm

import "math"

// A weight is about the memory, in bytes, that a value takes, and never less than its length as
// JSON. It is a function of the value alone, so replicas agree on it. It is kept up with every
// change, so that it costs nothing to ask for a state's weight.
const (
	nodeWeight  = 64 // any node, by itself
	itemWeight  = 8  // an element's place in its array
	childWeight = 80 // a child's place in its object, beside its key
	pathWeight  = 96 // an entry of the indexes beside the tree: what expires, which URL observes
	// They are a part of limitedFormat: whether a logged transaction is applied depends on
	// them. Other weights need another format.
)

// keyedWeight is the weight of a child's place.
func keyedWeight(key string) uint64 { return childWeight + quoted(key) }

// quoted is the length of a text as JSON.
func quoted(s string) uint64 {
	length := uint64(len(s)) + 2
	for i := plainLength(s); i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
			length++
		case c < ' ':
			length += 5
		}
	}
	return length
}

// unbounded is what an operation adds that puts one element in the place of many.
const unbounded = math.MaxUint64

// pathAdds is what is made at most to have a place at segs.
func pathAdds(segs []string) uint64 {
	var sum uint64
	for _, seg := range segs {
		sum += nodeWeight + keyedWeight(seg)
	}
	return sum
}

func signed(weight uint64) int64 { return int64(min(weight, math.MaxInt64)) }
