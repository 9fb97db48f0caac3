//go:build !unix

package main

// keepPrivate does nothing: this system has no umask.
func keepPrivate() {}
