package engine

import (
	"io"
	"io/fs"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// readOnlyFS refuses every change. It gives the lock of a directory without a lock file.
type readOnlyFS struct{ vfs.FS }

func (f readOnlyFS) refuse(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrPermission}
}

func (f readOnlyFS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, f.refuse("create", name)
}
func (f readOnlyFS) Link(_, newname string) error { return f.refuse("link", newname) }
func (f readOnlyFS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return nil, f.refuse("open for writing", name)
}
func (f readOnlyFS) Remove(name string) error       { return f.refuse("remove", name) }
func (f readOnlyFS) RemoveAll(name string) error    { return f.refuse("remove", name) }
func (f readOnlyFS) Rename(_, newname string) error { return f.refuse("rename", newname) }
func (f readOnlyFS) ReuseForWrite(_, newname string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, f.refuse("reuse", newname)
}
func (f readOnlyFS) MkdirAll(dir string, _ os.FileMode) error {
	_, err := f.Stat(dir)
	return err
}
func (f readOnlyFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }
func (f readOnlyFS) Unwrap() vfs.FS                 { return f.FS }
