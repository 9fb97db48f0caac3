//go:build !unix

package main

import "io/fs"

// ownedByUs: temporary directories are each user's own here.
func ownedByUs(fs.FileInfo) bool { return true }
