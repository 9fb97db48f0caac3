package overlay

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Create makes a new file. A file that has the name loses it.
func (f *FS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	defer f.lock()()
	return f.create(name)
}

func (f *FS) create(name string) (*file, error) {
	dir, base, was, err := f.entry("create", name)
	if err != nil {
		return nil, err
	}
	if was != nil && was.dir {
		return nil, failed("create", name, errFolder)
	}
	n := newFile()
	dir.set(base, n)
	return n.open(name, true, nil)
}

// Link gives a file another name. It copies nothing.
func (f *FS) Link(oldname, newname string) error {
	defer f.lock()()
	refused := func(err error) error {
		return &linkError{Op: "link", Old: oldname, New: newname, Err: err}
	}
	n, err := f.find("link", oldname)
	if err != nil {
		return err
	}
	dir, base, was, err := f.entry("link", newname)
	switch {
	case err != nil:
		return err
	case n.dir:
		return refused(errFolder)
	case was != nil:
		return refused(fs.ErrExist)
	}
	dir.set(base, n)
	return nil
}

// linkError is an error about two names.
type linkError struct {
	Op, Old, New string
	Err          error
}

func (e *linkError) Error() string { return e.Op + " " + e.Old + " " + e.New + ": " + e.Err.Error() }
func (e *linkError) Unwrap() error { return e.Err }

// Remove removes a file, or an empty folder.
func (f *FS) Remove(name string) error {
	defer f.lock()()
	dir, base, n, err := f.entry("remove", name)
	if err != nil {
		return err
	}
	if n == nil {
		return failed("remove", name, fs.ErrNotExist)
	}
	if err := n.empty(); err != nil {
		return failed("remove", name, err)
	}
	dir.set(base, nil)
	return nil
}

// empty is an error unless n is a file, or a folder without entries.
func (n *node) empty() error {
	if !n.dir {
		return nil
	}
	names, err := n.names()
	if err == nil && len(names) > 0 {
		err = syscall.ENOTEMPTY
	}
	return err
}

// RemoveAll removes a file, or a folder with everything in it. A missing one is no error.
func (f *FS) RemoveAll(name string) error {
	defer f.lock()()
	dir, base, n, err := f.entry("remove", name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || n == nil {
		return err
	}
	dir.set(base, nil)
	return nil
}

// Rename gives a file or a folder another name. It copies nothing.
func (f *FS) Rename(oldname, newname string) error {
	defer f.lock()()
	return f.rename(oldname, newname)
}

func (f *FS) rename(oldname, newname string) error {
	refused := func(err error) error {
		return &linkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	from, oldbase, n, err := f.entry("rename", oldname)
	if err == nil && n == nil {
		err = refused(fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	to, newbase, was, err := f.entry("rename", newname)
	if err != nil {
		return err
	}
	switch within := strings.HasPrefix(path.Clean("/"+newname)+"/", path.Clean("/"+oldname)+"/"); {
	case n == was:
		if n.dir || from == to && oldbase == newbase {
			return nil
		}
	case n.dir && within:
		return refused(fs.ErrInvalid)
	case was != nil && was.dir && !n.dir:
		return refused(errFolder)
	case was != nil && n.dir && !was.dir:
		return refused(errNoFolder)
	case was != nil:
		if err := was.empty(); err != nil {
			return refused(err)
		}
	}
	from.set(oldbase, nil)
	to.set(newbase, n)
	return nil
}

// ReuseForWrite renames a file and opens it for writing, with what it has.
func (f *FS) ReuseForWrite(oldname, newname string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	defer f.lock()()
	if err := f.rename(oldname, newname); err != nil {
		return nil, err
	}
	n, err := f.find("open", newname)
	if err != nil {
		return nil, err
	}
	opened, err := n.open(newname, true, nil)
	if err != nil {
		return nil, err
	}
	opened.read = false
	return opened, nil
}

// MkdirAll makes a folder, and those above it.
func (f *FS) MkdirAll(name string, _ fs.FileMode) error {
	defer f.lock()()
	n := f.root
	for _, part := range split(name) {
		c, err := n.child(part)
		if err != nil {
			return failed("mkdir", name, err)
		}
		if c == nil {
			c = newFolder(nil)
			n.set(part, c)
		}
		if !c.dir {
			return failed("mkdir", name, errNoFolder)
		}
		n = c
	}
	return nil
}

// Lock locks a name in this overlay. It knows nothing of locks of the file system below: what another process does there
// does not matter to what is in memory.
func (f *FS) Lock(name string) (io.Closer, error) {
	defer f.lock()()
	key := path.Clean("/" + name)
	if f.locked[key] {
		return nil, syscall.EAGAIN
	}
	opened, err := f.create(name)
	if err != nil {
		return nil, err
	}
	f.locked[key] = true
	return &lock{fs: f, key: key, file: opened}, nil
}

type lock struct {
	fs   *FS
	key  string
	file *file
}

func (l *lock) Close() error {
	defer l.fs.lock()()
	if l.file == nil {
		return nil
	}
	delete(l.fs.locked, l.key)
	err := l.file.Close()
	l.file = nil
	return err
}
