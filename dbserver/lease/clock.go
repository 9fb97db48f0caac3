package lease

import "time"

// mostApart is by how much the time of day and the elapsed time may differ while a lease lasts.
const mostApart = time.Second

// Clock measures a lease, and nothing else: all other waits use the standard library. A zero
// field is the standard library's clock, as bubbles of testing/synctest need it; a program
// passes bootclock.Elapsed.
type Clock struct {
	// Elapsed is the time since a moment that stays the same. It should go on while the
	// machine is suspended: the supervision's clock does.
	Elapsed func() time.Duration
	// Wall is the time of day. Only its difference to Elapsed is used.
	Wall func() time.Time
}

// withDefaults fills in what is nil.
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

// moment is one reading of both times of a Clock.
type moment struct {
	elapsed time.Duration
	wall    time.Time
}

func (c Clock) now() moment { return moment{c.Elapsed(), c.Wall().Round(0)} }

// since is how long ago another moment was, by the time that says more. parted: the two times
// differ by more than mostApart. Then one of them stood still or was set. It is not known
// which one, so d is not known either.
func (m moment) since(other moment) (d time.Duration, parted bool) {
	elapsed, wall := m.elapsed-other.elapsed, m.wall.Sub(other.wall)
	return max(elapsed, wall), (elapsed - wall).Abs() > mostApart
}
