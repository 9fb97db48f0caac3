// Package wall has the wall clock of a server: the clock whose time others get to see, in the agency, in answers, in
// names. It may be wrong by any amount, and differs from those of other machines. So nothing is decided by it that a
// promise depends on: durations, leases and deadlines are measured by the standard library's monotonic clock.
package wall

import "time"

// Clock is a wall clock; nil is the system's. A test gives a server one that is wrong.
type Clock func() time.Time

// Now is the time on the clock. It has no monotonic reading, so that a duration that is computed of two such times is
// one of the wall clock, and shows in a test with a clock that is wrong.
func (c Clock) Now() time.Time {
	if c == nil {
		return time.Now().Round(0)
	}
	return c().Round(0)
}

// Of is what the clock shows at a moment that was read with time.Now.
func (c Clock) Of(moment time.Time) time.Time {
	if c == nil {
		return moment
	}
	return c.Now().Add(-time.Since(moment))
}

// Stamp is the time as everywhere on the wire: UTC, whole seconds.
func (c Clock) Stamp() string { return c.Now().UTC().Format(time.RFC3339) }

// After is the stamp of the moment that comes so much later.
func (c Clock) After(d time.Duration) string { return c.Now().Add(d).UTC().Format(time.RFC3339) }

// Milli is the time in milliseconds since 1970.
func (c Clock) Milli() int64 { return c.Now().UnixMilli() }
