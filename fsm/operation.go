package fsm

import (
	"errors"
	"fmt"
)

// What makes an operation malformed, and never applicable.
var (
	errUnknownOp  = errors.New("unknown op")
	errAttribute  = errors.New("an attribute is missing")
	errAttributeT = errors.New("an attribute is of the wrong type")
)

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
		o.effect, err = o.replace(a)
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

// attributes are the attributes of an operation at a depth of the tree.
type attributes struct {
	fields []field
	depth  int
	seen   *uint64 // sums up what was read of them as values; may be nil
}

func (a attributes) note(n *Node, err error) (*Node, error) {
	if a.seen != nil {
		*a.seen += n.weight()
	}
	return n, err
}

func (a attributes) raw(name string) ([]byte, bool) {
	for _, f := range a.fields {
		if f.name == name {
			return f.raw, true
		}
	}
	return nil, false
}

// tree is an attribute to be stored at the operation's path, with paths inside.
func (a attributes) tree(name string) (*Node, error) {
	raw, ok := a.raw(name)
	if !ok {
		return nil, fmt.Errorf("%w: %s", errAttribute, name)
	}
	return a.note(parseTree(raw, a.depth))
}

// element is an attribute to be stored in, or compared with, an array's element.
func (a attributes) element(name string) (*Node, error) {
	raw, ok := a.raw(name)
	if !ok {
		return nil, fmt.Errorf("%w: %s", errAttribute, name)
	}
	return a.note(parseElement(raw, a.depth+1))
}

func (a attributes) text(name string) (string, error) {
	n, err := a.element(name)
	if err == nil && !n.is(kindString) {
		err = fmt.Errorf("%w: %s", errAttributeT, name)
	}
	return n.Text(), err
}

// count is an attribute that is an integer from 0 up.
func (a attributes) count(name string) (int64, error) {
	n, err := a.element(name)
	if err != nil {
		return 0, err
	}
	i, ok := n.Int()
	if !ok || i < 0 {
		return 0, fmt.Errorf("%w: %s", errAttributeT, name)
	}
	return i, nil
}
