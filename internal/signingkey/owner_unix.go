//go:build unix

package signingkey

import (
	"io/fs"
	"os"
	"syscall"
)

// ofOurs says whether a file belongs to this user, or to root, who can read everything.
func ofOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int(stat.Uid) == os.Geteuid() || stat.Uid == 0)
}
