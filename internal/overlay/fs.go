package overlay

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Mount puts a folder of a file system at a path of an overlay.
type Mount struct {
	At  string // in the overlay; what is above it is in memory
	FS  vfs.FS
	Dir string // on FS, as FS wants it: a relative path is relative to what FS takes for its working directory
}

// FS is an overlay. Paths begin at its root, with a slash or without, and have slashes between names. All methods
// may be called from any goroutine.
type FS struct {
	turn   chan struct{} // held while the tree is used; a channel, because the file system below may be waited for
	root   *node
	locked map[string]bool
}

var _ vfs.FS = (*FS)(nil)

// New makes an overlay of what is mounted. A mount may be inside an earlier one. Without mounts it is an empty memory.
func New(mounts ...Mount) (*FS, error) {
	f := &FS{turn: make(chan struct{}, 1), root: newFolder(nil), locked: map[string]bool{}}
	for _, m := range mounts {
		if names := split(m.At); len(names) == 0 {
			f.root = newFolder(&place{m.FS, m.Dir})
			continue
		}
		if err := f.MkdirAll(path.Dir(m.At), 0); err != nil {
			return nil, err
		}
		dir, name, err := f.parent("mount", m.At)
		if err != nil {
			return nil, err
		}
		dir.set(name, newFolder(&place{m.FS, m.Dir}))
	}
	return f, nil
}

// lock takes the tree, until the result is called.
func (f *FS) lock() (unlock func()) {
	f.turn <- struct{}{}
	return func() { <-f.turn }
}

// split gives the names on the way to a path. The path is cleaned: .. ends at the root.
func split(name string) []string {
	clean := path.Clean("/" + name)
	if clean == "/" {
		return nil
	}
	return strings.Split(clean[1:], "/")
}

func failed(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

var errNoFolder = errors.New("not a directory")

// find gives the node at a path.
func (f *FS) find(op, name string) (*node, error) {
	n := f.root
	for _, part := range split(name) {
		if !n.dir {
			return nil, failed(op, name, errNoFolder)
		}
		c, err := n.child(part)
		if err == nil && c == nil {
			err = fs.ErrNotExist
		}
		if err != nil {
			return nil, failed(op, name, err)
		}
		n = c
	}
	return n, nil
}

// parent gives the folder that has, or is to have, the entry at a path, and the name of the entry in it.
func (f *FS) parent(op, name string) (dir *node, base string, err error) {
	names := split(name)
	if len(names) == 0 {
		return nil, "", failed(op, name, fs.ErrInvalid)
	}
	base = names[len(names)-1]
	dir, err = f.find(op, strings.Join(names[:len(names)-1], "/"))
	if err == nil && !dir.dir {
		err = failed(op, name, errNoFolder)
	}
	return dir, base, err
}

// entry gives what parent gives, and the entry itself, nil if there is none.
func (f *FS) entry(op, name string) (dir *node, base string, n *node, err error) {
	if dir, base, err = f.parent(op, name); err != nil {
		return nil, "", nil, err
	}
	if n, err = dir.child(base); err != nil {
		err = failed(op, name, err)
	}
	return dir, base, n, err
}

// Open opens a file for reading, or a folder.
func (f *FS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	defer f.lock()()
	n, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	return n.open(name, false, opts)
}

// open opens a node. The file below stays open under a file in memory of a reader: what was read before stays readable.
func (n *node) open(name string, write bool, opts []vfs.OpenOption) (*file, error) {
	opened := &file{name: path.Base(name), node: n, read: true, write: write}
	if n.dir || n.memory.Load() != nil {
		return opened, nil
	}
	var err error
	if write {
		err = n.load()
	} else {
		opened.below, err = n.below.fs.Open(n.below.path, opts...)
	}
	if err != nil {
		return nil, failed("open", name, err)
	}
	return opened, nil
}

// OpenDir opens a folder.
func (f *FS) OpenDir(name string) (vfs.File, error) { return f.Open(name) }

// OpenReadWrite opens a file for reading and writing; it makes one that is missing. A file below is copied into memory.
func (f *FS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	defer f.lock()()
	dir, base, n, err := f.entry("open", name)
	if err != nil {
		return nil, err
	}
	if n == nil {
		n = newFile()
		dir.set(base, n)
	}
	return n.open(name, true, opts)
}

// List gives the names in a folder.
func (f *FS) List(name string) ([]string, error) {
	defer f.lock()()
	n, err := f.find("list", name)
	if err == nil && !n.dir {
		err = failed("list", name, errNoFolder)
	}
	if err != nil {
		return nil, err
	}
	names, err := n.names()
	if err != nil {
		return nil, failed("list", name, err)
	}
	slices.Sort(names)
	return names, nil
}

// Stat describes a file or a folder.
func (f *FS) Stat(name string) (vfs.FileInfo, error) {
	defer f.lock()()
	n, err := f.find("stat", name)
	if err != nil {
		return nil, err
	}
	info, err := n.info(path.Base(name))
	if err != nil {
		return nil, failed("stat", name, err)
	}
	return info, nil
}

// PathBase is path.Base.
func (f *FS) PathBase(p string) string { return path.Base(p) }

// PathJoin is path.Join.
func (f *FS) PathJoin(elem ...string) string { return path.Join(elem...) }

// PathDir is path.Dir.
func (f *FS) PathDir(p string) string { return path.Dir(p) }

// GetDiskUsage is not known of memory.
func (f *FS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{}, vfs.ErrUnsupported
}

// Unwrap is nil: code that looks for the file system below would write to it.
func (f *FS) Unwrap() vfs.FS { return nil }
