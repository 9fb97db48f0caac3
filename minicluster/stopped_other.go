//go:build !linux

package minicluster

// awaitStopped: this system does not tell when the last thread of a process has stopped.
func awaitStopped(int) error { return nil }

// hasStopped is what this process knows: the system does not tell.
func hasStopped(_ int, told bool) bool { return told }
