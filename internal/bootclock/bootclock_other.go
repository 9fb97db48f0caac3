//go:build !linux

package bootclock

import "time"

// Elapsed is the time since a moment that stays the same while the process lives.
func Elapsed() time.Duration { return monotonic() }
