package fsm

import (
	"errors"
	"fmt"
)

// What makes an attribute of an operation or a precondition malformed.
var (
	errAttribute  = errors.New("an attribute is missing")
	errAttributeT = errors.New("an attribute is of the wrong type")
)

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
