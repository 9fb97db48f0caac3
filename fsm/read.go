package fsm

import (
	"slices"
	"strings"
)

// mask is the part of a tree that a read asks for.
type mask struct {
	whole bool
	kids  map[string]*mask
}

// Read is the tree reduced to the paths asked for. Ancestors of a missing key
// stay as objects. Hidden keys are left out unless a path asks for a
// hidden one.
func (s *State) Read(paths []string) *Node {
	if len(paths) == 1 {
		segs := segments(paths[0])
		return s.root.along(segs, slices.ContainsFunc(segs, hidden))
	}
	want := &mask{}
	showHidden := false
	for _, path := range paths {
		at := want
		for _, seg := range segments(path) {
			showHidden = showHidden || hidden(seg)
			at = at.kid(seg)
		}
		at.whole = true
	}
	return want.of(s.root, showHidden)
}

// along is an existing node reduced to one path.
func (n *Node) along(segs []string, showHidden bool) *Node {
	switch {
	case len(segs) > 0:
		if kid := n.child(segs[0]); kid != nil {
			return objectNode([]pair[*Node]{{segs[0], kid.along(segs[1:], showHidden)}})
		}
		return objectNode(nil)
	case showHidden:
		return n
	}
	return n.withoutHidden()
}

func (m *mask) kid(seg string) *mask {
	if m.kids == nil {
		m.kids = make(map[string]*mask)
	}
	if m.kids[seg] == nil {
		m.kids[seg] = &mask{}
	}
	return m.kids[seg]
}

// of is the part of an existing node that the mask lets through.
func (m *mask) of(n *Node, showHidden bool) *Node {
	if m.whole {
		if showHidden {
			return n
		}
		return n.withoutHidden()
	}
	var kids []pair[*Node]
	for seg, below := range m.kids {
		if kid := n.child(seg); kid != nil {
			kids = append(kids, pair[*Node]{seg, below.of(kid, showHidden)})
		}
	}
	slices.SortFunc(kids, func(a, b pair[*Node]) int { return strings.Compare(a.key, b.key) })
	return objectNode(kids)
}

// withoutHidden is the node without hidden keys at any depth. Trees that have
// none are returned as they are.
func (n *Node) withoutHidden() *Node {
	if !n.dotted || n.kind != kindObject {
		return n
	}
	var kids []pair[*Node]
	for key, kid := range n.Children() {
		if !hidden(key) {
			kids = append(kids, pair[*Node]{key, kid.withoutHidden()})
		}
	}
	return objectNode(kids)
}
