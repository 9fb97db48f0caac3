//go:build unix

package main

import "syscall"

// keepPrivate has every file that this process makes belong to its user alone. The
// engine and Raft's log make their files with what the umask leaves.
func keepPrivate() { syscall.Umask(0o077) }
