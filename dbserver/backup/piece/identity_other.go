//go:build !unix

package piece

import "github.com/cockroachdb/pebble/v2/vfs"

// identify knows no file, so that every file is hashed.
func identify(vfs.FileInfo) (fileID, bool) { return fileID{}, false }
