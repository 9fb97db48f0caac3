//go:build unix

package backup

import (
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// identify says which file of the operating system info is of; not ok for other
// disks, in memory for example.
func identify(info vfs.FileInfo) (fileID, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st == nil {
		return fileID{}, false
	}
	return fileID{device: uint64(st.Dev), inode: uint64(st.Ino)}, true
}
