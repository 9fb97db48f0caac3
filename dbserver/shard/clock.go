package shard

import (
	"fmt"
	"time"

	"stasis/internal/disklock"
	"stasis/internal/wall"
)

// counterBits of a timestamp count within a millisecond, the others are the
// milliseconds since 1970: enough until the year 2527.
const counterBits = 20

// clockReserve is how far ahead the clock's bound is stored, so that the store
// is written at most this often. A crash makes revisions jump by as much.
const clockReserve = 30 * time.Second

// ClockStore keeps the clock's bound. StoreClockBound returns when it is on disk.
type ClockStore interface {
	ClockBound() (uint64, error)
	StoreClockBound(bound uint64) error
}

// Clock is the server's hybrid logical clock, from which revisions come. It gives wall time,
// but strictly increasing: also when the wall clock steps back, across restarts, and across a
// change of the engine. To that end it gives out only times below a stored bound, and starts
// at the bound.
//
// One Clock lives as long as its server. All methods may be used by many goroutines at once.
type Clock struct {
	Wall wall.Clock // nil is the system's

	mu    disklock.Mutex
	last  uint64 // given out
	bound uint64 // stored: everything given out is below
	store ClockStore
}

// Attach has the clock keep its bound in another store from now on, and go on from the later of
// itself and that store's bound. The clock must not be in use; the old store is not touched
// again.
func (c *Clock) Attach(store ClockStore) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	bound, err := store.ClockBound()
	if err != nil {
		return fmt.Errorf("read clock: %w", err)
	}
	c.store, c.last, c.bound = store, max(c.last, bound), 0 // a bound of 0 is stored again before the next use
	return nil
}

// Detach stores the exact time, so that the next start does not jump ahead. The clock gives no
// time out until it is attached again.
func (c *Clock) Detach() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == nil {
		return nil
	}
	store := c.store
	c.store, c.bound = nil, 0
	if err := store.StoreClockBound(c.last + 1); err != nil {
		return fmt.Errorf("store clock: %w", err)
	}
	return nil
}

// next gives a time later than every one before.
func (c *Clock) next() (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := max(c.last+1, uint64(max(c.Wall.Milli(), 0))<<counterBits)
	if now >= c.bound {
		if err := c.raise(now); err != nil {
			return 0, err
		}
	}
	c.last = now
	return now, nil
}

// observe makes the clock go on after t, a time that another server's clock gave.
func (c *Clock) observe(t uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, t)
}

func (c *Clock) raise(now uint64) error {
	if c.store == nil {
		return fmt.Errorf("the clock has no store")
	}
	bound := now + uint64(clockReserve.Milliseconds())<<counterBits
	if err := c.store.StoreClockBound(bound); err != nil {
		return fmt.Errorf("store clock: %w", err)
	}
	c.bound = bound
	return nil
}
