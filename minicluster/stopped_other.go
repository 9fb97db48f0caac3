//go:build !linux

package minicluster

// awaitStopped: this system does not tell when the last thread of a process has stopped.
func awaitStopped(int) error { return nil }
