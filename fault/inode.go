package fault

import (
	"io/fs"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// inode is a file or a folder.
type inode struct {
	modified time.Time

	data    []byte  // of a file, as programs see it
	durable []byte  // as it is on the disk
	dirty   sectors // where the two may differ, and a sync is to make them equal

	names  map[string]*inode // of a folder; nil for a file
	synced map[string]*inode
}

func newFolder() *inode { return &inode{names: map[string]*inode{}, synced: map[string]*inode{}} }

func (n *inode) isFolder() bool { return n.names != nil }

// memoryInfo describes a file or folder.
type memoryInfo struct {
	name     string
	size     int64
	modified time.Time
	folder   bool
}

func (n *inode) info(name string) memoryInfo {
	return memoryInfo{name, int64(len(n.data)), n.modified, n.isFolder()}
}

func (i memoryInfo) Name() string           { return i.name }
func (i memoryInfo) Size() int64            { return i.size }
func (i memoryInfo) ModTime() time.Time     { return i.modified }
func (i memoryInfo) IsDir() bool            { return i.folder }
func (i memoryInfo) Sys() any               { return nil }
func (i memoryInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

func (i memoryInfo) Mode() os.FileMode {
	if i.folder {
		return os.ModeDir | 0o755
	}
	return 0o644
}

func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: err}
}
