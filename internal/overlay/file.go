package overlay

import (
	"errors"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// file is an open file or folder. Its node may get a content in memory while it is open: from then on it
// reads that.
type file struct {
	name        string
	node        *node
	below       vfs.File // nil if the content was in memory when it was opened, and for a folder
	at          int64
	read, write bool
}

var errFolder = errors.New("is a directory")

func (f *file) refuse(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

// content is what is read.
func (f *file) content() (io.ReaderAt, error) {
	switch m := f.node.memory.Load(); {
	case f.node.dir:
		return nil, f.refuse("read", errFolder)
	case !f.read:
		return nil, f.refuse("read", fs.ErrPermission)
	case m != nil:
		return m, nil
	}
	return f.below, nil
}

func (f *file) Read(p []byte) (int, error) {
	from, err := f.content()
	if err != nil {
		return 0, err
	}
	n, err := from.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	from, err := f.content()
	if err != nil {
		return 0, err
	}
	return from.ReadAt(p, off)
}

func (f *file) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.at)
	f.at += int64(n)
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if f.node.dir {
		return 0, f.refuse("write", errFolder)
	}
	if !f.write {
		return 0, f.refuse("write", fs.ErrPermission)
	}
	return f.node.memory.Load().writeAt(p, off) // opening for writing has loaded it
}

func (f *file) Stat() (vfs.FileInfo, error) { return f.node.info(f.name) }

func (f *file) Close() error {
	if f.node == nil {
		return f.refuse("close", fs.ErrClosed)
	}
	f.node = nil // a later use is a mistake, and shows as one
	if f.below == nil {
		return nil
	}
	return f.below.Close()
}

// Prefetch asks the file below to be read ahead: nothing is written by that.
func (f *file) Prefetch(offset, length int64) error {
	if f.below == nil {
		return nil
	}
	return f.below.Prefetch(offset, length)
}

// Fd is that of the file below, which is open for reading only.
func (f *file) Fd() uintptr {
	if f.below == nil {
		return vfs.InvalidFd
	}
	return f.below.Fd()
}

// What makes data durable does nothing: memory has no durability.

func (f *file) Preallocate(int64, int64) error { return nil }
func (f *file) Sync() error                    { return nil }
func (f *file) SyncTo(int64) (bool, error)     { return false, nil }
func (f *file) SyncData() error                { return nil }
