package fsm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// errUnknownOp makes an operation malformed.
var errUnknownOp = errors.New("unknown op")

// operation is one entry of a transaction's operations. Its effect makes the
// new node (nil: none) of the node that is there (nil: none).
type operation struct {
	path     string
	segs     []string
	name     string // "set" for a plain value
	effect   func(*Node) (*Node, error)
	replaces bool      // a new value rather than a change of the old one
	lifetime *lifetime // the value expires
	observer *observer // registers a callback instead of changing the tree
	adds     uint64    // how much heavier it makes the tree, at most
	fault    error     // malformed; the other fields do not count
}

// newOperation reads the value of an operation's key: an object with an
// attribute op is an operation, anything else is a value to store.
func newOperation(segs []string, raw []byte) operation {
	o := operation{path: normal(segs), segs: segs, name: "set"}
	if len(segs) > maxDepth {
		o.fault = errDepth
		return o
	}
	if opens(raw) == '{' {
		fields, err := parseFields(raw)
		if err != nil {
			o.fault = err
			return o
		}
		a := attributes{fields: fields, depth: len(segs), seen: new(uint64)}
		if name, ok := a.raw("op"); ok {
			o.fault = o.read(name, a)
			o.weigh(*a.seen)
			return o
		}
	}
	value, err := parseTree(raw, len(segs))
	o.fault = err
	o.store(value)
	o.weigh(value.weight())
	return o
}

// weigh finds what o adds at most, if its attributes have a weight.
func (o *operation) weigh(attributes uint64) {
	if o.adds == unbounded {
		return
	}
	o.adds = pathAdds(o.segs) + itemWeight + attributes
	if o.lifetime != nil {
		o.adds += lifetimeWeight(o.path)
	}
	if o.observer != nil {
		o.adds = observerWeight(o.path, o.observer.url)
	}
}

// store makes o replace the node by value, nil to remove it.
func (o *operation) store(value *Node) {
	o.replaces = true
	o.effect = func(*Node) (*Node, error) { return value, nil }
}

// read fills o by the attributes of an operation. The switch lists them all.
func (o *operation) read(rawName []byte, a attributes) (err error) {
	name, err := (&attributes{fields: []field{{"op", rawName}}}).text("op")
	if err != nil {
		return err
	}
	o.name = name
	switch name {
	case "set":
		return o.readSet(a)
	case "delete":
		o.store(nil)
	case "increment":
		o.effect, err = increment(a, false)
	case "decrement":
		o.effect, err = increment(a, true)
	case "push":
		o.effect, err = push(a)
	case "push-queue":
		o.effect, err = pushQueue(a)
	case "prepend":
		o.effect, err = prepend(a)
	case "pop":
		o.effect = pop
	case "shift":
		o.effect = shift
	case "erase":
		o.effect, err = erase(a)
	case "replace":
		var grows bool
		if o.effect, grows, err = replace(a); grows {
			o.adds = unbounded
		}
	case "read-lock", "read-unlock", "write-lock", "write-unlock":
		o.effect, err = lock(name, a)
	case "observe", "unobserve":
		var url string
		url, err = a.text("url")
		o.observer = &observer{url: url, gone: name == "unobserve"}
	default:
		err = fmt.Errorf("%w %q", errUnknownOp, name)
	}
	return err
}

func (o *operation) readSet(a attributes) (err error) {
	value, err := a.tree("new")
	if err != nil {
		return err
	}
	o.store(value)
	o.lifetime, err = readLifetime(a)
	return err
}

// apply returns the contents after the operation.
func (o operation) apply(c contents) (contents, error) {
	if o.observer != nil {
		c.observers = o.observer.apply(c.observers, o.path)
		return c, nil
	}
	var was, is *Node
	root, err := c.root.change(o.segs, func(n *Node) (_ *Node, err error) {
		was = n
		is, err = o.effect(n)
		return is, err
	})
	if err != nil {
		return c, err
	}
	c.root = root.orEmpty()
	switch {
	case o.replaces || is == nil:
		c.lifetimes = c.lifetimes.dropFrom(o.path)
	case is != was:
		c.lifetimes = c.lifetimes.dropBelow(o.path)
	}
	if o.lifetime != nil {
		c.lifetimes = c.lifetimes.with(o.path, o.lifetime.end(c.clock))
	}
	return c, nil
}

// parseOperations reads the operations and sorts them into the order in which
// they are applied. All paths are there even if an operation is at fault.
func parseOperations(raw []byte) ([]operation, error) {
	fields, err := parseFields(raw)
	operations := make([]operation, 0, len(fields))
	for _, f := range fields {
		operations = append(operations, newOperation(segments(f.name), f.raw))
	}
	slices.SortStableFunc(operations, func(a, b operation) int { return cmp.Compare(a.path, b.path) })
	for i, o := range operations {
		if err == nil && o.fault != nil {
			err = fmt.Errorf("%s: %w", o.path, o.fault)
		}
		if err == nil && i > 0 && o.path == operations[i-1].path {
			err = fmt.Errorf("%w: %s", errRepeated, o.path)
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return operations, err
}
