//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package control

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockSocket keeps other processes from a socket until the lock is closed, or until this process ends. Of two processes that start
// at once one has it, and a process that is stopped keeps it: whether a socket answers tells neither.
func lockSocket(path string) (io.Closer, error) {
	f, err := os.OpenFile(path+lockSuffix, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the control socket %s: %w", path, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		who := "another process"
		if pid := holderOf(f); pid != "" {
			who = "process " + pid
		}
		return nil, errors.Join(fmt.Errorf("control socket %s: %s serves it; stop that process first", path, who), f.Close())
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the control socket %s: %w", path, err), f.Close())
	}
	return f, nil
}

// holderOf is the process that has written itself into the lock; "" if none has.
func holderOf(f *os.File) string {
	raw := make([]byte, 32)
	n, _ := f.ReadAt(raw, 0) // the file is shorter
	pid := strings.TrimSpace(string(raw[:n]))
	if _, err := strconv.Atoi(pid); err != nil {
		return ""
	}
	return pid
}
