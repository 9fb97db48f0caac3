package storage

import (
	"context"
	"sync"
	"time"
)

// grace is how long a remote may take for calls after the end of the context that it was
// opened with, such as closing a session, and how long abandoned calls are waited for.
const grace = 2 * time.Second

// Calls counts the calls of remotes that run, also those that have been abandoned.
type Calls struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when none runs; nil: nothing waits for that
}

func (c *Calls) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *Calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// Wait waits until no call runs, at most for grace. It returns how many calls are left.
func (c *Calls) Wait() int {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return 0
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	select {
	case <-idle:
		return 0
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
