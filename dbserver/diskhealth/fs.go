package diskhealth

import (
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is fs, watched.
func (w *Watch) FS(fs vfs.FS) vfs.FS { return &watchedFS{FS: fs, watch: w} }

type watchedFS struct {
	vfs.FS
	watch *Watch
}

// file carries out what gives a file to write or to sync, and watches that file.
func (f *watchedFS) file(op, name string, open func() (vfs.File, error)) (file vfs.File, err error) {
	err = f.watch.do(op, name, func() error {
		file, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &watchedFile{File: file, path: name, watch: f.watch}, nil
}

func (f *watchedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.file(opCreate, name, func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f *watchedFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.file(opOpen, name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

func (f *watchedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.file(opRename, to, func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, c) })
}

// OpenDir gives a directory to sync. Opening it reads.
func (f *watchedFS) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &watchedFile{File: dir, path: name, watch: f.watch}, nil
}

func (f *watchedFS) Link(from, to string) error {
	return f.watch.do(opLink, to, func() error { return f.FS.Link(from, to) })
}

func (f *watchedFS) Rename(from, to string) error {
	return f.watch.do(opRename, to, func() error { return f.FS.Rename(from, to) })
}

func (f *watchedFS) MkdirAll(dir string, perm os.FileMode) error {
	return f.watch.do(opMkdir, dir, func() error { return f.FS.MkdirAll(dir, perm) })
}

// Unwrap gives the file system below.
func (f *watchedFS) Unwrap() vfs.FS { return f.FS }

type watchedFile struct {
	vfs.File
	path  string
	watch *Watch
}

func (f *watchedFile) Write(p []byte) (n int, err error) {
	err = f.watch.do(opWrite, f.path, func() error {
		n, err = f.File.Write(p)
		return err
	})
	return n, err
}

func (f *watchedFile) WriteAt(p []byte, offset int64) (n int, err error) {
	err = f.watch.do(opWrite, f.path, func() error {
		n, err = f.File.WriteAt(p, offset)
		return err
	})
	return n, err
}

func (f *watchedFile) Preallocate(offset, length int64) error {
	return f.watch.do(opExtend, f.path, func() error { return f.File.Preallocate(offset, length) })
}

func (f *watchedFile) Sync() error { return f.watch.do(opSync, f.path, f.File.Sync) }

func (f *watchedFile) SyncData() error { return f.watch.do(opSync, f.path, f.File.SyncData) }

func (f *watchedFile) SyncTo(length int64) (full bool, err error) {
	err = f.watch.do(opWrite, f.path, func() error { // what it promises is less than a sync
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}
