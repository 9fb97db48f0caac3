//go:build unix

package piece

import (
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// identify returns which file of the operating system info describes. It is not ok for
// other disks, for example one in memory.
func identify(info vfs.FileInfo) (fileID, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st == nil {
		return fileID{}, false
	}
	return fileID{device: uint64(st.Dev), inode: uint64(st.Ino)}, true
}
