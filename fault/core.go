package fault

import (
	"container/list"
	"sync"
	"time"
)

// core is what all connections and listeners of a Network share. Each has a pointer to it.
type core struct {
	mu      sync.Mutex // guards all of the network
	closed  bool
	pairs   *list.List // of *pair, in the order in which they connected
	changed signal     // a rule changed
}

// block gives up the lock until woken, until the time has come (zero: never), or
// until done is closed (nil: never).
func (c *core) block(wake <-chan struct{}, until time.Time, done <-chan struct{}) {
	c.mu.Unlock()
	defer c.mu.Lock()
	var timeUp <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		timeUp = timer.C
	}
	select {
	case <-wake:
	case <-timeUp:
	case <-done:
	}
}

// signal wakes all that wait; guarded by core.mu.
type signal struct{ ch chan struct{} }

func (s *signal) wait() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) wake() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// addr is "host:port". It calls itself tcp, as users of net expect.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }
