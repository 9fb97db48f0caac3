package operation

import (
	"context"
	"slices"
)

// Undo is the list of what to undo if the operation fails, in the order in which it was done.
type Undo struct {
	entries []*undoEntry
	Last    func(context.Context) // is called when all is undone, before that is told; nil: nothing
}

type undoEntry struct {
	what string
	do   func(context.Context) error // idempotent
}

// Push adds an entry, and forget removes it. Call Push before the request that makes the entry
// necessary: a request whose answer is lost may have had its effect.
func (u *Undo) Push(what string, do func(context.Context) error) (forget func()) {
	e := &undoEntry{what, do}
	u.entries = append(u.entries, e)
	return func() {
		u.entries = slices.DeleteFunc(u.entries, func(other *undoEntry) bool { return other == e })
	}
}

// Clear empties the list. Call it when the commit has happened, or may have happened.
func (u *Undo) Clear() { u.entries = nil }
