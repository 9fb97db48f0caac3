package fsm

import "math"

// Ahead is the same state at an index that is at least the given one: its changes get higher
// numbers, so that they end there. The tree, what expires, and which client ids were applied stay. It
// is for a tree that goes on after the newest changes were lost: a follower must never see one index
// with two different trees.
func (s *State) Ahead(index uint64) *State {
	if index <= s.index {
		return s
	}
	next := *s
	next.log = make([]Entry, len(s.log))
	next.clients = ordered[uint64]{}
	for i, e := range s.log {
		e.Index += index - s.index
		next.log[i] = e
		if e.ClientID != "" {
			next.clients = next.clients.with(e.ClientID, e.Index)
		}
	}
	next.index = index
	return &next
}

// Raised is the same state with the numbers at some paths raised. It is for the same tree as Ahead, and
// is no change of its own: followers of the tree read it whole. A value that is no whole number, or too
// large, stays as it is.
func (s *State) Raised(paths []string, by uint64) *State {
	next := *s
	for _, path := range paths {
		next.root, _ = next.root.change(segments(path), func(n *Node) (*Node, error) {
			if was, whole := n.Int(); whole && was >= 0 && uint64(was) <= math.MaxInt64-by {
				return intNode(was + int64(by)), nil
			}
			return n, nil
		})
	}
	return &next
}
