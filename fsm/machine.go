package fsm

import (
	"bytes"
	"math"
	"sync/atomic"
)

// Machine holds the current State and applies commands to it. Apply and Reset
// must not run concurrently; State may be called at any time.
type Machine struct {
	keep    atomic.Int64
	current atomic.Pointer[State]
}

// Outcome is what became of one transaction. Exactly one of these holds:
// applied (Index > 0, Reason nil); a precondition failed or Plan is frozen
// (Failed not empty, Reason is [ErrPrecondition]); not applied for another Reason
// ([ErrMalformed], [ErrForbidden], [ErrNotApplicable], [ErrLimit]).
type Outcome struct {
	Index  uint64
	Failed []string // normalised, sorted
	Reason error
	State  *State // after this transaction; reads that follow it in a request look here
	// Removed is at most the weight of what an applied transaction took out of the tree:
	// what it costs to keep the tree of before it as well.
	Removed int64
}

// New makes a machine with an empty tree. It keeps the last keepLog changes, and
// knows the client ids of those.
func New(keepLog int) *Machine {
	m := &Machine{}
	m.keep.Store(int64(max(0, keepLog)))
	m.current.Store(pristine())
	return m
}

// Keep changes how many changes are kept from the next command on. It is no part
// of what replicas agree on: it only says how far back a log reaches.
func (m *Machine) Keep(keepLog int) { m.keep.Store(int64(max(0, keepLog))) }

// Kept is how many changes are kept.
func (m *Machine) Kept() int { return int(m.keep.Load()) }

// State is the current state.
func (m *Machine) State() *State { return m.current.Load() }

// Reset makes s the current state, after a snapshot was read.
func (m *Machine) Reset(s *State) {
	own := *s
	// The next change must not be written into an array that s shares.
	own.log = append(make([]Entry, 0, len(s.log)), s.log...)
	own.trim(m.Kept())
	m.current.Store(&own)
}

// Apply applies the transactions of a command in order, each to what the one
// before it left, and returns their outcomes. The result depends on nothing but
// the state and the arguments. Readers see all of the command or nothing.
func (m *Machine) Apply(term uint64, c Command) []Outcome {
	s := *m.State()
	s.term = term
	s.clock = max(s.clock, c.Time)
	state, keep := &s, m.Kept()
	outcomes := make([]Outcome, 0, len(c.Transactions))
	for _, t := range c.Transactions {
		var o Outcome
		state, o = state.step(t, keep)
		outcomes = append(outcomes, o)
	}
	m.current.Store(state)
	return outcomes
}

// step applies one transaction. What expired before it is removed only together
// with an applied change, whose Entry says so; otherwise the log would not tell
// watchers about it.
func (s *State) step(t Transaction, keep int) (*State, Outcome) {
	base, gone := s.expire()
	after, failed, reason := t.run(base, s.weight())
	if reason != nil {
		return s, Outcome{Failed: failed, Reason: reason, State: s.AsOf(s.clock)}
	}
	entry := Entry{
		// A copy: the text around it may be of a whole command, and would live as long.
		Index: s.index + 1, Term: s.term, Query: bytes.Clone(t.query),
		ClientID: t.clientID, Timestamp: s.clock, Expired: gone,
	}
	next := s.append(entry, after, keep)
	return next, Outcome{Index: next.index, State: next.AsOf(next.clock), Removed: removed(t.Adds(), s.Weight(), next.Weight())}
}

// removed is what was taken out of a tree that became heavier by less than was added.
func removed(added, before, after int64) int64 {
	if added == math.MaxInt64 {
		return added
	}
	return max(0, added+before-after)
}
