//go:build !unix

package backup

import "github.com/cockroachdb/pebble/v2/vfs"

// identify knows no file: every one is hashed.
func identify(vfs.FileInfo) (fileID, bool) { return fileID{}, false }
