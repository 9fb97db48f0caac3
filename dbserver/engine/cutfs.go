package engine

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// cutFS sees what Pebble does to the disk. It holds a checkpoint back at the
// moment it makes its folder, lets no table be copied into it, and ends the copy of a
// log where the log ends.
type cutFS struct {
	vfs.FS
	patient *patientFS // what the engine itself writes goes through it
	tables  Meter      // of what is done to tables that are being written: by flushes and compactions

	mu  sync.Mutex
	cut *Cut // under way; nil between cuts
}

func (f *cutFS) watch(c *Cut) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = c
}

func (f *cutFS) unwatch() { f.watch(nil) }

// abandon drops the cut under way, if any.
func (f *cutFS) abandon() {
	if c := f.current(); c != nil {
		c.drop()
	}
}

func (f *cutFS) current() *Cut {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut
}

// inside gives the cut whose folder holds name.
func (f *cutFS) inside(name string) *Cut {
	if c := f.current(); c != nil && f.PathDir(name) == c.dir {
		return c
	}
	return nil
}

// MkdirAll of a cut's folder: the version and the list of logs are fixed.
func (f *cutFS) MkdirAll(dir string, perm os.FileMode) error {
	if c := f.current(); c != nil && c.dir == dir {
		close(c.folder)
		<-c.proceed
		if c.dropped {
			return fmt.Errorf("the cut was given up")
		}
	}
	return f.FS.MkdirAll(dir, perm)
}

// OpenDir is how the folder of a cut is synced.
func (f *cutFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if c := f.current(); c != nil && c.dir == name {
		return c.work.file(file, err)
	}
	return file, err
}

// Link counts the hard links of a cut.
func (f *cutFS) Link(oldname, newname string) error {
	err := f.FS.Link(oldname, newname)
	if c := f.inside(newname); c != nil && err == nil {
		c.links.Add(1)
		c.work.did(nil)
	}
	return err
}

// Create refuses to copy a table into a cut, which Pebble tries when a link fails, and
// sees to the length of logs.
func (f *cutFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	c := f.inside(name)
	if c == nil {
		file, err := f.patient.Create(name, category)
		if IsImmutable(name) {
			return f.tables.file(file, err)
		}
		return file, err
	}
	if IsImmutable(f.PathBase(name)) {
		return nil, fmt.Errorf("%s could not be linked and is not copied", f.PathBase(name))
	}
	if isLog(name) {
		return f.copyLog(c, name, category)
	}
	return c.work.file(f.FS.Create(name, category))
}

// ReuseForWrite is for the engine's own logs.
func (f *cutFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.patient.ReuseForWrite(from, to, category)
}

// Unwrap gives the file system below.
func (f *cutFS) Unwrap() vfs.FS { return f.FS }

// readOnlyFS lets nothing be changed. Taking the lock of a directory succeeds
// without a lock file.
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
