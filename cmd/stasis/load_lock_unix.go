//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockHistory marks a file as being written. The mark ends with the process.
func lockHistory(file *os.File) error {
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("lock the history %s: %w", file.Name(), err), file.Close())
	}
	return nil
}

// written says whether a process writes to a history.
func written(file *os.File) bool {
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
