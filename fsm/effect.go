package fsm

import (
	"fmt"
	"math/bits"
	"slices"
)

// The effects: each makes the new node of the old one. Where an array is
// needed, anything else counts as an empty one.

// increment adds the step to an integer; anything else counts as 0.
func increment(a attributes, down bool) (func(*Node) (*Node, error), error) {
	step := intNode(1)
	if _, ok := a.raw("step"); ok {
		var err error
		if step, err = a.element("step"); err != nil {
			return nil, err
		}
		if !step.is(kindInt) && !step.is(kindUint) {
			return nil, fmt.Errorf("%w: step", errAttributeT)
		}
	}
	return func(n *Node) (*Node, error) {
		sum, ok := add(n, step, down)
		if !ok {
			return nil, fmt.Errorf("%w: the sum is out of range", ErrNotApplicable)
		}
		return sum, nil
	}, nil
}

// add is n + step, or n - step, in 128 bits; false if the sum has no integer
// representation.
func add(n, step *Node, down bool) (*Node, bool) {
	lo, hi := wide(n)
	stepLo, stepHi := wide(step)
	var carry uint64
	if down {
		lo, carry = bits.Sub64(lo, stepLo, 0)
		hi, _ = bits.Sub64(hi, stepHi, carry)
	} else {
		lo, carry = bits.Add64(lo, stepLo, 0)
		hi, _ = bits.Add64(hi, stepHi, carry)
	}
	switch {
	case hi == 0:
		return uintNode(lo), true
	case hi == ^uint64(0) && int64(lo) < 0:
		return intNode(int64(lo)), true
	}
	return nil, false
}

// wide is an integer in two's complement of 128 bits, 0 for any other node.
func wide(n *Node) (lo, hi uint64) {
	switch {
	case n.is(kindInt):
		return n.bits, uint64(int64(n.bits) >> 63)
	case n.is(kindUint):
		return n.bits, 0
	}
	return 0, 0
}

func push(a attributes) (func(*Node) (*Node, error), error) {
	item, err := a.element("new")
	return func(n *Node) (*Node, error) {
		return arrayNode(append(slices.Clip(n.elements()), item)), nil
	}, err
}

// pushQueue appends and then drops from the front until len elements are left.
func pushQueue(a attributes) (func(*Node) (*Node, error), error) {
	item, err := a.element("new")
	if err != nil {
		return nil, err
	}
	most, err := a.count("len")
	return func(n *Node) (*Node, error) {
		items := append(slices.Clip(n.elements()), item)
		if excess := int64(len(items)) - most; excess > 0 {
			items = slices.Clone(items[excess:])
		}
		return arrayNode(items), nil
	}, err
}

func prepend(a attributes) (func(*Node) (*Node, error), error) {
	item, err := a.element("new")
	return func(n *Node) (*Node, error) {
		return arrayNode(append([]*Node{item}, n.elements()...)), nil
	}, err
}

func pop(n *Node) (*Node, error) {
	items := n.elements()
	return arrayNode(slices.Clone(items[:max(0, len(items)-1)])), nil
}

func shift(n *Node) (*Node, error) {
	items := n.elements()
	return arrayNode(slices.Clone(items[min(1, len(items)):])), nil
}

// erase removes all elements equal to val, or the one at pos. A missing array
// stays missing.
func erase(a attributes) (func(*Node) (*Node, error), error) {
	_, byValue := a.raw("val")
	_, byPlace := a.raw("pos")
	if byValue == byPlace {
		return nil, fmt.Errorf("%w: either val or pos", errAttribute)
	}
	if byPlace {
		pos, err := a.count("pos")
		return func(n *Node) (*Node, error) {
			if n == nil || n.is(kindArray) && pos >= int64(len(n.items)) {
				return n, nil
			}
			if !n.is(kindArray) {
				return emptyArray, nil
			}
			return arrayNode(slices.Delete(slices.Clone(n.items), int(pos), int(pos)+1)), nil
		}, err
	}
	val, err := a.element("val")
	return func(n *Node) (*Node, error) { return without(n, val), nil }, err
}

// replace puts new in the place of every element equal to val. A missing array stays missing.
// grows says that new is heavier than val: how much heavier the array becomes depends on how many
// elements there are.
func replace(a attributes) (effect func(*Node) (*Node, error), grows bool, err error) {
	val, err := a.element("val")
	if err != nil {
		return nil, false, err
	}
	item, err := a.element("new")
	return func(n *Node) (*Node, error) {
		if n == nil {
			return nil, nil
		}
		items := slices.Clone(n.items)
		for i := range items {
			if Equal(items[i], val) {
				items[i] = item
			}
		}
		return arrayNode(items), nil
	}, item.weight() > val.weight(), err
}

// lock makes the effect of the four lock operations. A read lock is an array of
// its holders, a write lock the one holder as a string, {} an open lock.
func lock(name string, a attributes) (func(*Node) (*Node, error), error) {
	by, err := a.text("by")
	if err != nil {
		return nil, err
	}
	holder := stringNode(by)
	held := fmt.Errorf("%w: %s by %q", ErrNotApplicable, name, by)
	switch name {
	case "read-lock":
		return func(n *Node) (*Node, error) {
			if !canReadLock(n, holder) {
				return nil, held
			}
			return arrayNode(append(slices.Clip(n.elements()), holder)), nil
		}, nil
	case "read-unlock":
		return func(n *Node) (*Node, error) {
			if !contains(n, holder) {
				return nil, held
			}
			if rest := without(n, holder); len(rest.items) > 0 {
				return rest, nil
			}
			return nil, nil
		}, nil
	case "write-lock":
		return func(n *Node) (*Node, error) {
			if n != nil && !n.isEmptyObject() {
				return nil, held
			}
			return holder, nil
		}, nil
	default:
		return func(n *Node) (*Node, error) {
			if n != nil && !Equal(n, holder) {
				return nil, held
			}
			return nil, nil
		}, nil
	}
}
