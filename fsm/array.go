package fsm

import "slices"

// elements are the elements of an array, none for any other node. They are
// shared: callers copy before they change them.
func (n *Node) elements() []*Node {
	if n == nil {
		return nil
	}
	return n.items
}

// without is the array n without the elements equal to val.
func without(n, val *Node) *Node {
	if n == nil {
		return nil
	}
	return arrayNode(slices.DeleteFunc(slices.Clone(n.items), func(item *Node) bool { return Equal(item, val) }))
}

// contains says whether n is an array with an element equal to item.
func contains(n, item *Node) bool {
	return n.is(kindArray) && slices.ContainsFunc(n.items, func(other *Node) bool { return Equal(other, item) })
}

// allStrings says whether n is an array of nothing but strings.
func allStrings(n *Node) bool {
	return n.is(kindArray) && !slices.ContainsFunc(n.items, func(item *Node) bool { return !item.is(kindString) })
}

// canReadLock says whether holder may be added to the read lock n.
func canReadLock(n, holder *Node) bool {
	return n == nil || n.isEmptyObject() || allStrings(n) && !contains(n, holder)
}
