// Package bootclock tells how much time has passed on this machine, the time included in
// which it was suspended.
//
// Go's monotonic clock is CLOCK_MONOTONIC on Linux, which stands still while the machine
// is suspended: a lease measured by it outlives the suspension. CLOCK_BOOTTIME goes on.
// On other systems, and if Linux does not offer it, Elapsed is the monotonic clock, and
// Suspended says so. The clock of a virtual machine that its host pauses stands still
// like all others in it.
//
// It is a real clock: in the bubbles of testing/synctest it must not be used.
package bootclock

import "time"

// begun is what monotonic counts from.
var begun = time.Now()

func monotonic() time.Duration { return time.Since(begun) }
