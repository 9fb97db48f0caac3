package fsm

import "iter"

// ordered is a persistent map from string to V, sorted bytewise by key: a
// weight-balanced tree (Adams; balance parameters 3 and 2 as proved by Hirai and
// Yamamoto). Changing it makes a new map that shares all but O(log n) branches
// with the old one, which stays as it was. The zero value is the empty map.
type ordered[V any] struct{ top *branch[V] }

type branch[V any] struct {
	key         string
	value       V
	size        int
	left, right *branch[V]
}

// pair is one key with its value, for building a map at once.
type pair[V any] struct {
	key   string
	value V
}

// orderedFrom builds a map of pairs that are sorted by key without repeats.
func orderedFrom[V any](pairs []pair[V]) ordered[V] { return ordered[V]{grow(pairs)} }

func grow[V any](pairs []pair[V]) *branch[V] {
	if len(pairs) == 0 {
		return nil
	}
	mid := len(pairs) / 2
	return join(pairs[mid], grow(pairs[:mid]), grow(pairs[mid+1:]))
}

func (o ordered[V]) len() int { return o.top.count() }

// find returns the value of key, and whether there is one.
func (o ordered[V]) find(key string) (value V, ok bool) {
	for b := o.top; b != nil; {
		switch {
		case key < b.key:
			b = b.left
		case key > b.key:
			b = b.right
		default:
			return b.value, true
		}
	}
	return value, false
}

// with returns the map in which key has value.
func (o ordered[V]) with(key string, value V) ordered[V] {
	return ordered[V]{o.top.with(pair[V]{key, value})}
}

// without returns the map in which key is absent.
func (o ordered[V]) without(key string) ordered[V] { return ordered[V]{o.top.without(key)} }

// all yields the pairs in order of key.
func (o ordered[V]) all() iter.Seq2[string, V] { return o.from("") }

// from yields the pairs whose key is start or follows it, in order.
func (o ordered[V]) from(start string) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) { o.top.walk(start, yield) }
}

func (b *branch[V]) count() int {
	if b == nil {
		return 0
	}
	return b.size
}

func (b *branch[V]) pair() pair[V] { return pair[V]{b.key, b.value} }

func (b *branch[V]) walk(start string, yield func(string, V) bool) bool {
	if b == nil {
		return true
	}
	if start >= b.key {
		// The left side is below start, this branch only perhaps.
		if start == b.key && !yield(b.key, b.value) {
			return false
		}
		return b.right.walk(start, yield)
	}
	return b.left.walk(start, yield) && yield(b.key, b.value) && b.right.walk("", yield)
}

func (b *branch[V]) with(p pair[V]) *branch[V] {
	switch {
	case b == nil:
		return join(p, nil, nil)
	case p.key < b.key:
		return balance(b.pair(), b.left.with(p), b.right)
	case p.key > b.key:
		return balance(b.pair(), b.left, b.right.with(p))
	default:
		return join(p, b.left, b.right)
	}
}

func (b *branch[V]) without(key string) *branch[V] {
	if b == nil {
		return nil
	}
	switch {
	case key < b.key:
		left := b.left.without(key)
		if left == b.left {
			return b
		}
		return balance(b.pair(), left, b.right)
	case key > b.key:
		right := b.right.without(key)
		if right == b.right {
			return b
		}
		return balance(b.pair(), b.left, right)
	case b.left == nil:
		return b.right
	case b.right == nil:
		return b.left
	}
	next, right := b.right.shift()
	return balance(next, b.left, right)
}

// shift takes the first pair off a tree that is not empty.
func (b *branch[V]) shift() (pair[V], *branch[V]) {
	if b.left == nil {
		return b.pair(), b.right
	}
	first, left := b.left.shift()
	return first, balance(b.pair(), left, b.right)
}

func join[V any](p pair[V], left, right *branch[V]) *branch[V] {
	return &branch[V]{key: p.key, value: p.value, size: left.count() + right.count() + 1, left: left, right: right}
}

// balance joins two sides of which one may have gained or lost a single pair
// since they were in balance.
func balance[V any](p pair[V], left, right *branch[V]) *branch[V] {
	const most, single = 3, 2
	l, r := left.count()+1, right.count()+1
	switch {
	case r > most*l:
		if right.left.count()+1 < single*(right.right.count()+1) {
			return join(right.pair(), join(p, left, right.left), right.right)
		}
		mid := right.left
		return join(mid.pair(), join(p, left, mid.left), join(right.pair(), mid.right, right.right))
	case l > most*r:
		if left.right.count()+1 < single*(left.left.count()+1) {
			return join(left.pair(), left.left, join(p, left.right, right))
		}
		mid := left.right
		return join(mid.pair(), join(left.pair(), left.left, mid.left), join(p, mid.right, right))
	}
	return join(p, left, right)
}
