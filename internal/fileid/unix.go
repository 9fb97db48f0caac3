//go:build unix

package fileid

import "syscall"

// Of returns which file of the operating system a description is of. It is not ok for other disks, for
// example one in memory.
func Of(i info) (id ID, ok bool) {
	st, ok := i.Sys().(*syscall.Stat_t)
	if !ok || st == nil {
		return ID{}, false
	}
	return ID{Device: uint64(st.Dev), Inode: uint64(st.Ino)}, true
}
