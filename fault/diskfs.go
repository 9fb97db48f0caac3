package fault

import (
	"errors"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskFS is a file system whose calls meet the faults of a disk.
type diskFS struct {
	vfs.FS
	faults *diskFaults
}

// meet lets a call without data meet its faults.
func (d *diskFS) meet(op string, kind Kind, paths ...string) error {
	if _, err := d.faults.call(kind, 0, paths...); err != nil {
		return pathError(op, paths[0], err)
	}
	return nil
}

func (d *diskFS) file(path string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, fs: d, path: path}, nil
}

func (d *diskFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.meet("create", Create, name); err != nil {
		return nil, err
	}
	f, err := d.FS.Create(name, category)
	return d.file(name, f, err)
}

func (d *diskFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := d.meet("open", Create, name); err != nil {
		return nil, err
	}
	f, err := d.FS.OpenReadWrite(name, category, opts...)
	return d.file(name, f, err)
}

func (d *diskFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.meet("reuse", Create, newname, oldname); err != nil {
		return nil, err
	}
	f, err := d.FS.ReuseForWrite(oldname, newname, category)
	return d.file(newname, f, err)
}

func (d *diskFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := d.meet("open", Open, name); err != nil {
		return nil, err
	}
	f, err := d.FS.Open(name, opts...)
	return d.file(name, f, err)
}

func (d *diskFS) OpenDir(name string) (vfs.File, error) {
	if err := d.meet("open", Open, name); err != nil {
		return nil, err
	}
	f, err := d.FS.OpenDir(name)
	return d.file(name, f, err)
}

func (d *diskFS) Link(oldname, newname string) error {
	if err := d.meet("link", Link, newname, oldname); err != nil {
		return err
	}
	return d.FS.Link(oldname, newname)
}

func (d *diskFS) Rename(oldname, newname string) error {
	if err := d.meet("rename", Rename, newname, oldname); err != nil {
		return err
	}
	return d.FS.Rename(oldname, newname)
}

func (d *diskFS) Remove(name string) error {
	if err := d.meet("remove", Remove, name); err != nil {
		return err
	}
	return d.FS.Remove(name)
}

func (d *diskFS) RemoveAll(name string) error {
	if err := d.meet("remove", Remove, name); err != nil {
		return err
	}
	return d.FS.RemoveAll(name)
}

func (d *diskFS) MkdirAll(dir string, perm os.FileMode) error {
	if err := d.meet("mkdir", Mkdir, dir); err != nil {
		return err
	}
	return d.FS.MkdirAll(dir, perm)
}

func (d *diskFS) Lock(name string) (io.Closer, error) {
	if err := d.meet("lock", Create, name); err != nil {
		return nil, err
	}
	return d.FS.Lock(name)
}

func (d *diskFS) List(dir string) ([]string, error) {
	if err := d.meet("list", List, dir); err != nil {
		return nil, err
	}
	return d.FS.List(dir)
}

func (d *diskFS) Stat(name string) (vfs.FileInfo, error) {
	if err := d.meet("stat", Stat, name); err != nil {
		return nil, err
	}
	return d.FS.Stat(name)
}

// GetDiskUsage tells of a full disk, too.
func (d *diskFS) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	usage, err := d.FS.GetDiskUsage(path)
	if room, full := d.faults.room(); err == nil && full {
		usage.AvailBytes = min(usage.AvailBytes, uint64(max(room, 0)))
	}
	return usage, err
}

func (d *diskFS) Unwrap() vfs.FS { return d.FS }

// diskFile is a file whose calls meet the faults of its disk.
type diskFile struct {
	vfs.File
	fs   *diskFS
	path string
}

func (f *diskFile) Read(p []byte) (int, error) {
	if err := f.fs.meet("read", Read, f.path); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *diskFile) ReadAt(p []byte, at int64) (int, error) {
	if err := f.fs.meet("read", Read, f.path); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, at)
}

func (f *diskFile) Write(p []byte) (int, error) {
	return f.write(p, f.File.Write)
}

func (f *diskFile) WriteAt(p []byte, at int64) (int, error) {
	return f.write(p, func(p []byte) (int, error) { return f.File.WriteAt(p, at) })
}

// write writes what of p there is room for.
func (f *diskFile) write(p []byte, do func([]byte) (int, error)) (n int, err error) {
	fits, failed := f.fs.faults.call(Write, len(p), f.path)
	if fits > 0 || failed == nil {
		n, err = do(p[:fits])
	}
	if err == nil && failed != nil {
		err = pathError("write", f.path, failed)
	}
	return n, err
}

func (f *diskFile) Preallocate(at, length int64) error {
	if _, err := f.fs.faults.call(Write, 0, f.path); err != nil {
		return pathError("preallocate", f.path, err)
	}
	return f.File.Preallocate(at, length)
}

func (f *diskFile) Stat() (vfs.FileInfo, error) {
	if err := f.fs.meet("stat", Stat, f.path); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

// sync lets a sync meet its faults, one of which may lose what was to be synced.
func (f *diskFile) sync() error {
	err := f.fs.meet("sync", Sync, f.path)
	if below, can := f.File.(*memoryFile); can && errors.As(err, new(lostError)) {
		below.drop()
	}
	return err
}

func (f *diskFile) Sync() error {
	if err := f.sync(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *diskFile) SyncTo(length int64) (fullSync bool, err error) {
	if err := f.sync(); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}

func (f *diskFile) SyncData() error {
	if err := f.sync(); err != nil {
		return err
	}
	return f.File.SyncData()
}
