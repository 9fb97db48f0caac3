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

// lockSuffix makes the name of the file whose lock says who serves a socket.
const lockSuffix = ".lock"

// lockSocket keeps other processes from a socket until the lock is closed, or until this process ends. Of two processes that start
// at once one has it, and a process that is stopped keeps it: whether a socket answers tells neither.
func lockSocket(path string) (io.Closer, error) {
	for {
		lock, err := tryLock(path)
		if lock != nil || err != nil {
			return lock, err
		}
	}
}

// tryLock gives nil without an error if the file was removed meanwhile by the process that had it.
func tryLock(path string) (io.Closer, error) {
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
	var same bool
	if err == nil {
		same, err = isStill(f, path+lockSuffix)
	}
	if err == nil && !same {
		return nil, f.Close()
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
	return heldLock{f}, nil
}

// isStill reports whether an open file is the one that has a path.
func isStill(f *os.File, path string) (bool, error) {
	open, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(open, named), err
}

// heldLock is a lock that this process has.
type heldLock struct{ f *os.File }

// Close removes the file before it is unlocked: who opened it before finds that it is not the one of the path any more. If the directory was
// replaced meanwhile, the file of the path is the lock of another process, and stays.
func (l heldLock) Close() error {
	ours, err := isStill(l.f, l.f.Name())
	if ours {
		err = os.Remove(l.f.Name())
	}
	if errors.Is(err, os.ErrNotExist) {
		err = nil // its directory is gone
	}
	return errors.Join(err, l.f.Close())
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
