// Package bootclock measures the time that has passed on this machine, including the time in
// which the machine was suspended.
//
// On Linux, Go's monotonic clock is CLOCK_MONOTONIC, which stands still while the machine is
// suspended: a lease measured by it outlives the suspension. CLOCK_BOOTTIME goes on. On other
// systems, and if Linux does not have that clock, Elapsed is the monotonic clock.
// When a host pauses a virtual machine, all clocks in it stand still, this one too.
//
// It is a real clock. It must not be used in the bubbles of testing/synctest.
package bootclock

import "time"

// begun is what monotonic counts from.
var begun = time.Now()

func monotonic() time.Duration { return time.Since(begun) }
