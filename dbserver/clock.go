package dbserver

import "time"

// mostApart is by how much wall clock and elapsed time may part while a lease lasts.
const mostApart = time.Second

// Clock is what this server measures its lease by, and nothing else: all other waits are
// of the standard library. A zero field is the standard library's clock, which is what
// bubbles of testing/synctest need; a program passes bootclock.Elapsed.
type Clock struct {
	// Elapsed is the time since a moment that stays the same. It should go on while the
	// machine is suspended: the supervision's clock does.
	Elapsed func() time.Duration
	// Wall is the time of day. What it says is not used, only whether it goes on as
	// Elapsed does.
	Wall func() time.Time
}

func (c Clock) withDefaults() Clock {
	if c.Elapsed == nil {
		begun := time.Now()
		c.Elapsed = func() time.Duration { return time.Since(begun) }
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	return c
}

// moment is one look at both hands of a Clock.
type moment struct {
	elapsed time.Duration
	wall    time.Time
}

func (c Clock) look() moment { return moment{c.Elapsed(), c.Wall().Round(0)} }

// since is how long ago another moment was, by the hand that says more. parted: the two
// hands differ by more than mostApart. Then one has stood still or was set. Which one
// cannot be told, so how long it was is not known.
func (m moment) since(other moment) (d time.Duration, parted bool) {
	elapsed, wall := m.elapsed-other.elapsed, m.wall.Sub(other.wall)
	return max(elapsed, wall), (elapsed - wall).Abs() > mostApart
}
