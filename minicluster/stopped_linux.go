package minicluster

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// How long, and how often, to look whether a process has stopped. One of its threads may
// be in a call to the disk, which is not interrupted.
const (
	stoppedLimit = 30 * time.Second
	stoppedLook  = time.Millisecond
)

// awaitStopped waits until every thread of a child that was sent SIGSTOP has stopped. The
// signal alone only asks for that: threads run on until they notice it. The system tells
// a parent of the stop when the last thread has.
func awaitStopped(pid int) error {
	tick := time.NewTicker(stoppedLook)
	defer tick.Stop()
	over := time.NewTimer(stoppedLimit)
	defer over.Stop()
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait until process %d has stopped: %w", pid, err)
		case info.Signo != 0:
			return nil
		}
		select {
		case <-tick.C:
		case <-over.C:
			return fmt.Errorf("process %d has not stopped %v after it was told to", pid, stoppedLimit)
		}
	}
}
