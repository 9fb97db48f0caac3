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
		switch stopped, err := isStopped(pid); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait until process %d has stopped: %w", pid, err)
		case stopped:
			return nil
		}
		select {
		case <-tick.C:
		case <-over.C:
			return fmt.Errorf("process %d has not stopped %v after it was told to", pid, stoppedLimit)
		}
	}
}

// isStopped asks the system, without taking the answer from who waits for the child.
func isStopped(pid int) (bool, error) {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
	return info.Signo != 0, err
}

// hasStopped reports whether a child is stopped, also by another process. One that has ended is not.
func hasStopped(pid int, _ bool) bool {
	for {
		stopped, err := isStopped(pid)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && stopped
		}
	}
}
