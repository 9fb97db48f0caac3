package fsm

import (
	"iter"
	"math"
)

// kind says what a Node is. The numbers are written into snapshots.
type kind uint8

const (
	kindNull   kind = 0
	kindFalse  kind = 1
	kindTrue   kind = 2
	kindInt    kind = 3 // an integer that fits int64
	kindUint   kind = 4 // an integer above that
	kindDouble kind = 5 // any other number
	kindString kind = 6
	kindArray  kind = 7 // opaque: no path leads into it
	kindObject kind = 8
)

// Node is a JSON value that never changes: a leaf, or an object with children
// sorted by key. A nil *Node means that there is no value; every method accepts
// it. A Node may be used by any number of goroutines.
//
// Every number has one representation, so that 1, 1.0 and 1e0 are one value and
// equal values behave equally under every operation.
type Node struct {
	kind   kind
	dotted bool   // a child, or one below it, may have a hidden key; never false when one has
	bits   uint64 // of a number; of anything that holds more, the weight of that
	text   string
	items  []*Node
	kids   ordered[*Node]
}

var (
	nullNode    = &Node{kind: kindNull}
	falseNode   = &Node{kind: kindFalse}
	trueNode    = &Node{kind: kindTrue}
	emptyObject = &Node{kind: kindObject}
	emptyArray  = &Node{kind: kindArray}
)

func intNode(i int64) *Node { return &Node{kind: kindInt, bits: uint64(i)} }

func uintNode(u uint64) *Node {
	if u <= math.MaxInt64 {
		return intNode(int64(u))
	}
	return &Node{kind: kindUint, bits: u}
}

// doubleNode makes an integer of a double that is one. Doubles from 2^63 (and
// from 2^64) up need the unsigned representation (and stay doubles).
func doubleNode(f float64) *Node {
	const two63, two64 = 1 << 63, 1 << 64
	switch {
	case f != math.Trunc(f) || f < -two63 || f >= two64:
		return &Node{kind: kindDouble, bits: math.Float64bits(f)}
	case f < two63:
		return intNode(int64(f))
	default:
		return uintNode(uint64(f))
	}
}

func stringNode(s string) *Node { return &Node{kind: kindString, text: s, bits: quoted(s)} }

func arrayNode(items []*Node) *Node {
	if len(items) == 0 {
		return emptyArray
	}
	n := &Node{kind: kindArray, items: items}
	for _, item := range items {
		n.bits += itemWeight + item.weight()
	}
	return n
}

// objectNode makes an object of pairs sorted by key without repeats.
func objectNode(pairs []pair[*Node]) *Node {
	if len(pairs) == 0 {
		return emptyObject
	}
	n := &Node{kind: kindObject, kids: orderedFrom(pairs)}
	for _, p := range pairs {
		n.dotted = n.dotted || hidden(p.key) || p.value.dotted
		n.bits += keyedWeight(p.key) + p.value.weight()
	}
	return n
}

func (n *Node) is(k kind) bool { return n != nil && n.kind == k }

func (n *Node) isEmptyObject() bool { return n.is(kindObject) && n.kids.len() == 0 }

// child returns the child of an object, nil if there is none.
func (n *Node) child(key string) *Node {
	if !n.is(kindObject) {
		return nil
	}
	kid, _ := n.kids.find(key)
	return kid
}

// withChild returns the object with a child set, or removed if kid is nil. A
// node that is no object counts as an empty one.
func (n *Node) withChild(key string, kid *Node) *Node {
	if !n.is(kindObject) {
		n = emptyObject
	}
	rest := n.bits
	if was, there := n.kids.find(key); there {
		rest -= keyedWeight(key) + was.weight()
	}
	if kid == nil {
		return &Node{kind: kindObject, dotted: n.dotted, bits: rest, kids: n.kids.without(key)}
	}
	return &Node{
		kind: kindObject, dotted: n.dotted || kid.dotted || hidden(key),
		bits: rest + keyedWeight(key) + kid.weight(), kids: n.kids.with(key, kid),
	}
}

// change returns the tree in which f has replaced the node at segs. f gets nil
// if there is no such node and returns nil to have none; ancestors are created
// only when it returns something. A tree that f left alone is returned as it is.
func (n *Node) change(segs []string, f func(*Node) (*Node, error)) (*Node, error) {
	if len(segs) == 0 {
		return f(n)
	}
	was := n.child(segs[0])
	is, err := was.change(segs[1:], f)
	if err != nil || is == was {
		return n, err
	}
	return n.withChild(segs[0], is), nil
}

// remove returns the tree without the node at segs; a root that is removed
// becomes {}.
func (n *Node) remove(segs []string) *Node {
	n, _ = n.change(segs, func(*Node) (*Node, error) { return nil, nil })
	return n.orEmpty()
}

func (n *Node) orEmpty() *Node {
	if n == nil {
		return emptyObject
	}
	return n
}

// At returns the node at a slash path relative to n, nil if there is none. No
// path leads into an array.
func (n *Node) At(path string) *Node { return n.at(segments(path)) }

func (n *Node) at(segs []string) *Node {
	for _, seg := range segs {
		n = n.child(seg)
	}
	return n
}

// Exists says whether there is a value, be it null.
func (n *Node) Exists() bool { return n != nil }

// Children yields an object's children in bytewise order of their keys, hidden
// ones too; nothing for any other node.
func (n *Node) Children() iter.Seq2[string, *Node] {
	if !n.is(kindObject) {
		return ordered[*Node]{}.all()
	}
	return n.kids.all()
}

// Len is the number of an object's children or of an array's elements, 0 for
// any other node.
func (n *Node) Len() int {
	if n == nil {
		return 0
	}
	return n.kids.len() + len(n.items)
}

// Text is the value of a string, "" for any other node.
func (n *Node) Text() string {
	if !n.is(kindString) {
		return ""
	}
	return n.text
}

// Int is the value of an integer that fits; ok says whether the node is one.
func (n *Node) Int() (value int64, ok bool) {
	if !n.is(kindInt) {
		return 0, false
	}
	return int64(n.bits), true
}

// Equal compares two values structurally: numbers by value, strings bytewise,
// arrays in order, objects whatever the order they were written in. Missing
// equals only missing.
func Equal(a, b *Node) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.kind != b.kind || a.Len() != b.Len() {
		return false
	}
	switch a.kind {
	case kindArray:
		for i, item := range a.items {
			if !Equal(item, b.items[i]) {
				return false
			}
		}
	case kindObject:
		for key, kid := range a.Children() {
			if !Equal(kid, b.child(key)) {
				return false
			}
		}
	}
	return a.bits == b.bits && a.text == b.text
}

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
