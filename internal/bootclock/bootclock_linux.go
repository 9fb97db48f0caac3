package bootclock

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Elapsed is the time since a moment that stays the same while the process lives.
func Elapsed() time.Duration {
	if !offered() {
		return monotonic()
	}
	now, err := boottime()
	if err != nil { // it was read before with the same arguments
		panic("read CLOCK_BOOTTIME: " + err.Error())
	}
	return now
}

// offered says whether Elapsed counts the time in which the machine was suspended. A sandbox
// may lack the clock.
var offered = sync.OnceValue(func() bool {
	_, err := boottime()
	return err == nil
})

func boottime() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Duration(t.Nano()), err
}
