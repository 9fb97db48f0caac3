package store

import (
	"slices"
	"sync"
	"time"
)

// Calls are the calls to the disk that have not returned.
//
// Raft appends to its log and writes its votes in the loop in which it does everything else, and
// its heartbeats go on beside that loop. So a leader whose disk hangs stays leader, and nothing is
// committed. No call can be taken back from a disk. But it can be noticed that a call is overdue,
// and the agent can be kept from leading until it returns.
type Calls struct {
	mu   sync.Mutex
	open []*Call // in the order in which they began

	patience int // how many times the patience a call may take
	calm     int // looks since the last call that was overdue
}

// Call is a call that has not returned.
type Call struct {
	What  string // "append to Raft's log"
	Begun time.Time
	bytes int
	looks int // how often Overdue has seen it
}

const (
	// LooksPerPatience is how often Overdue has to be called in the time that a call may take. The
	// age of a call is counted in looks: while the whole process stands still, or has no
	// processor, no call gets older.
	LooksPerPatience = 4
	// LeastRate is how many bytes a second every disk is expected to write. A large call may take
	// that much longer.
	LeastRate = 8 << 20
	// If a call that was overdue returns after all, the disk is slow rather than dead: from then
	// on calls may take twice as long, up to mostPatience times as long. Otherwise an agency all of
	// whose disks are slow would have no leader at all. After calmLooks without an overdue call
	// the patience is as before.
	mostPatience = 8
	calmLooks    = 60 * LooksPerPatience
)

func newCalls() *Calls { return &Calls{patience: 1} }

// begin notes a call that writes so many bytes. The caller calls end when it has returned.
func (c *Calls) begin(what string, bytes int) (end func()) {
	call := &Call{What: what, Begun: time.Now(), bytes: bytes}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, call)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.open, call)
		c.open = slices.Delete(c.open, i, i+1)
	}
}

// Overdue makes all calls one look older. It returns the oldest call that has taken longer than
// it may, nil if there is none.
func (c *Calls) Overdue(patience time.Duration) (overdue *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.open {
		call.looks++
		if overdue == nil && call.looks > c.allowed(call, patience) {
			overdue = call
		}
	}
	c.calm++
	if overdue != nil {
		c.calm = 0
	}
	if c.calm >= calmLooks {
		c.patience = 1
	}
	return overdue
}

// allowed is how often a call may be seen. The caller holds mu.
func (c *Calls) allowed(call *Call, patience time.Duration) int {
	writing := time.Duration(call.bytes) * time.Second / LeastRate
	return c.patience*LooksPerPatience + int(writing*LooksPerPatience/patience)
}

// Returned says that a call that was overdue has returned.
func (c *Calls) Returned() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.patience = min(2*c.patience, mostPatience)
}
