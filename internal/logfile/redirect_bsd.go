//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package logfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// redirect makes a standard stream another name of a file.
func redirect(to *os.File, std int) error { return unix.Dup2(int(to.Fd()), std) }
