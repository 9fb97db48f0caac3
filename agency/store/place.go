package store

import "github.com/cockroachdb/pebble/v2/vfs"

// place is the file system that a data directory is on.
type place struct {
	fs vfs.FS
	// given says that it was passed in. Its calls may fail, hang and be lost on purpose, so everything but
	// Bolt's own files goes through it.
	given bool
}

func newPlace(fs vfs.FS) place {
	if fs == nil {
		return place{fs: vfs.Default}
	}
	return place{fs: fs, given: true}
}
