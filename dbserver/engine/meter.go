package engine

import (
	"context"
	"os"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Meter counts the progress of work that may take long, so that a reader can tell it from
// work that hangs: it counts calls of the file system that have returned. Calls that fail or
// that other requests make do not count. A nil Meter counts nothing.
type Meter struct {
	done atomic.Uint64
	part atomic.Pointer[part]
}

// part is what is being done now, and what counts besides for as long as it is.
type part struct {
	what string
	also func() uint64
}

// Doing states what is done from now on. What also returns, if it is not nil, is added to
// the count for as long as that is done.
func (m *Meter) Doing(what string, also func() uint64) {
	if m != nil {
		m.part.Store(&part{what, also})
	}
}

// Read returns what is done now, and how much has been done. It never waits. If two reads
// are equal, nothing has been done between them.
func (m *Meter) Read() (what string, done uint64) {
	p := m.part.Load()
	if p == nil {
		return "", m.done.Load()
	}
	if p.also == nil {
		return p.what, m.done.Load()
	}
	return p.what, m.done.Load() + p.also()
}

// did counts one call that has returned without an error.
func (m *Meter) did(err error) {
	if m != nil && err == nil {
		m.done.Add(1)
	}
}

func (m *Meter) count() uint64 { return m.done.Load() }

type meterKey struct{}

// WithMeter returns a context whose work is counted by m.
func WithMeter(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// MeterOf returns the meter of a context; nil if it has none.
func MeterOf(ctx context.Context) *Meter {
	m, _ := ctx.Value(meterKey{}).(*Meter)
	return m
}

// FS returns a file system whose calls are counted.
func (m *Meter) FS(fs vfs.FS) vfs.FS {
	if m == nil {
		return fs
	}
	return meteredFS{fs, m}
}

func (m *Meter) file(f vfs.File, err error) (vfs.File, error) {
	m.did(err)
	if err != nil || m == nil {
		return f, err
	}
	return meteredFile{f, m}, nil
}

type meteredFS struct {
	vfs.FS
	meter *Meter
}

func (f meteredFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.meter.file(f.FS.Create(name, c))
}

func (f meteredFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	return f.meter.file(f.FS.Open(name, o...))
}

func (f meteredFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.meter.file(f.FS.OpenReadWrite(name, c, o...))
}

func (f meteredFS) OpenDir(name string) (vfs.File, error) {
	return f.meter.file(f.FS.OpenDir(name))
}

func (f meteredFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.meter.file(f.FS.ReuseForWrite(from, to, c))
}

func (f meteredFS) Link(from, to string) (err error) {
	defer func() { f.meter.did(err) }()
	return f.FS.Link(from, to)
}

func (f meteredFS) Remove(name string) (err error) {
	defer func() { f.meter.did(err) }()
	return f.FS.Remove(name)
}

func (f meteredFS) RemoveAll(name string) (err error) {
	defer func() { f.meter.did(err) }()
	return f.FS.RemoveAll(name)
}

func (f meteredFS) Rename(from, to string) (err error) {
	defer func() { f.meter.did(err) }()
	return f.FS.Rename(from, to)
}

func (f meteredFS) MkdirAll(dir string, perm os.FileMode) (err error) {
	defer func() { f.meter.did(err) }()
	return f.FS.MkdirAll(dir, perm)
}

func (f meteredFS) Stat(name string) (_ vfs.FileInfo, err error) {
	defer func() { f.meter.did(err) }()
	return f.FS.Stat(name)
}

// Unwrap gives the file system below.
func (f meteredFS) Unwrap() vfs.FS { return f.FS }

type meteredFile struct {
	vfs.File
	meter *Meter
}

// moved counts a call that may move fewer bytes than it was asked to.
func (f meteredFile) moved(n int) {
	if n > 0 {
		f.meter.did(nil)
	}
}

func (f meteredFile) Read(p []byte) (n int, err error) {
	defer func() { f.moved(n) }()
	return f.File.Read(p)
}

func (f meteredFile) ReadAt(p []byte, off int64) (n int, err error) {
	defer func() { f.moved(n) }()
	return f.File.ReadAt(p, off)
}

func (f meteredFile) Write(p []byte) (n int, err error) {
	defer func() { f.moved(n) }()
	return f.File.Write(p)
}

func (f meteredFile) WriteAt(p []byte, off int64) (n int, err error) {
	defer func() { f.moved(n) }()
	return f.File.WriteAt(p, off)
}

func (f meteredFile) Sync() (err error) {
	defer func() { f.meter.did(err) }()
	return f.File.Sync()
}

func (f meteredFile) SyncData() (err error) {
	defer func() { f.meter.did(err) }()
	return f.File.SyncData()
}

func (f meteredFile) SyncTo(length int64) (full bool, err error) {
	defer func() { f.meter.did(err) }()
	return f.File.SyncTo(length)
}

func (f meteredFile) Close() (err error) {
	defer func() { f.meter.did(err) }()
	return f.File.Close()
}
