package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// Error is something in a scenario that is not right.
type Error struct {
	Name string // of the scenario
	Line int
	Text string // what is wrong, and what would be right
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: line %d: %s", e.Name, e.Line, e.Text) }

// Errors are all that were found, by line.
type Errors []*Error

// Error implements error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// problems collects errors of one scenario.
type problems struct {
	name string
	all  Errors
}

func (p *problems) add(line int, format string, args ...any) {
	e := &Error{p.name, line, fmt.Sprintf(format, args...)}
	if !slices.ContainsFunc(p.all, func(o *Error) bool { return *o == *e }) {
		p.all = append(p.all, e)
	}
}

// err is all errors by line, or nil.
func (p *problems) err() error {
	if len(p.all) == 0 {
		return nil
	}
	slices.SortStableFunc(p.all, func(a, b *Error) int { return a.Line - b.Line })
	return p.all
}
