package fsm

import (
	"fmt"
	"slices"
	"strings"
)

// precondition is what must hold at one path before a transaction: all of its
// conditions.
type precondition struct {
	path       string
	segs       []string
	conditions []condition
}

// condition is one operator with its argument. holds says whether it holds for
// a node (nil: missing); an operator that is unknown, or whose argument is of the wrong
// type, never does.
type condition struct {
	operator string
	argument *Node
	holds    func(*Node) bool
}

// parsePreconditions reads the object path → condition, sorted by path.
func parsePreconditions(raw []byte) ([]precondition, error) {
	if opens(raw) != '{' {
		return nil, errAttributeT
	}
	fields, err := parseFields(raw)
	if err != nil {
		return nil, err
	}
	preconditions := make([]precondition, 0, len(fields))
	for _, f := range fields {
		p := precondition{segs: segments(f.name)}
		p.path = normal(p.segs)
		if p.conditions, err = parseConditions(f.raw); err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
		preconditions = append(preconditions, p)
	}
	slices.SortStableFunc(preconditions, func(a, b precondition) int { return strings.Compare(a.path, b.path) })
	return preconditions, nil
}

// parseConditions reads an object of operators; anything else is compared as by
// the operator old.
func parseConditions(raw []byte) ([]condition, error) {
	fields := []field{{"old", raw}}
	if opens(raw) == '{' {
		var err error
		if fields, err = parseFields(raw); err != nil {
			return nil, err
		}
	}
	conditions := make([]condition, 0, len(fields))
	for _, f := range fields {
		parse := parseTree
		if f.name == "in" || f.name == "notin" {
			parse = parseElement
		}
		argument, err := parse(f.raw, 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		conditions = append(conditions, condition{f.name, argument, test(f.name, argument)})
	}
	return conditions, nil
}

// test makes the function that decides whether an operator holds.
func test(operator string, arg *Node) func(*Node) bool {
	switch operator {
	case "old":
		return func(n *Node) bool { return Equal(n.orEmpty(), arg) }
	case "oldNot":
		return func(n *Node) bool { return !Equal(n.orEmpty(), arg) }
	case "oldEmpty", "isArray":
		return testFlag(operator, arg)
	case "in":
		return func(n *Node) bool { return contains(n, arg) }
	case "notin":
		return func(n *Node) bool { return n == nil || n.is(kindArray) && !contains(n, arg) }
	case "intersectionEmpty":
		if arg.is(kindArray) {
			return func(n *Node) bool {
				return !slices.ContainsFunc(n.elements(), func(item *Node) bool { return contains(arg, item) })
			}
		}
	case "is-write-locked", "is-read-locked", "can-write-lock", "can-read-lock":
		if arg.is(kindString) {
			return testLock(operator, arg)
		}
	}
	return never
}

func never(*Node) bool { return false }

func testFlag(operator string, arg *Node) func(*Node) bool {
	if !arg.is(kindTrue) && !arg.is(kindFalse) {
		return never
	}
	want := arg.is(kindTrue)
	if operator == "isArray" {
		return func(n *Node) bool { return n.is(kindArray) == want }
	}
	return func(n *Node) bool { return (n == nil) == want }
}

func testLock(operator string, holder *Node) func(*Node) bool {
	switch operator {
	case "is-write-locked":
		return func(n *Node) bool { return Equal(n, holder) }
	case "is-read-locked":
		return func(n *Node) bool { return allStrings(n) && contains(n, holder) }
	case "can-write-lock":
		return func(n *Node) bool { return n == nil || n.isEmptyObject() }
	default:
		return func(n *Node) bool { return canReadLock(n, holder) }
	}
}
