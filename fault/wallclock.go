package fault

import (
	"sync"
	"sync/atomic"
	"time"
)

// WallClock is the system's wall clock, or one that is wrong. The zero value is right. All methods may be called from
// any goroutine.
type WallClock struct {
	off  atomic.Int64 // nanoseconds
	read atomic.Int64 // while it was wrong
}

// Now is the time on the clock.
func (c *WallClock) Now() time.Time {
	off := time.Duration(c.off.Load())
	if off != 0 {
		c.read.Add(1)
	}
	return time.Now().Round(0).Add(off)
}

// Skew sets the clock off by so much from now on: ahead, or behind if it is negative. With 0 it is right again.
func (c *WallClock) Skew(by time.Duration) { c.off.Store(int64(by)) }

// Off is by how much the clock is wrong.
func (c *WallClock) Off() time.Duration { return time.Duration(c.off.Load()) }

// Met is how often the clock was read while it was wrong.
func (c *WallClock) Met() int { return int(c.read.Load()) }

// WallClocks has a WallClock for each server. The zero value is ready for use, by any goroutine.
type WallClocks struct {
	mu  sync.Mutex
	all map[string]*WallClock
}

// Of is the clock of a server; it is the same one at every call, also for a server that starts again.
func (c *WallClocks) Of(server string) *WallClock {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]*WallClock{}
	}
	if c.all[server] == nil {
		c.all[server] = &WallClock{}
	}
	return c.all[server]
}

// Now is what a cluster reads the clock of a server by: minicluster.Seams.Wall.
func (c *WallClocks) Now(server string) func() time.Time { return c.Of(server).Now }

// Heal sets all clocks right.
func (c *WallClocks) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, clock := range c.all {
		clock.Skew(0)
	}
}
