package fault

import (
	"io"
	"io/fs"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// memoryFile is an open file or folder of a disk in memory.
type memoryFile struct {
	disk   *memory
	node   *inode
	name   string
	writes bool
	at     int64 // of Read and Write
}

func (f *memoryFile) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.node == nil {
		return pathError("close", f.name, fs.ErrClosed)
	}
	f.node = nil
	return nil
}

// use returns the file of a call that reads or writes. The lock is held.
func (f *memoryFile) use(op string, writes bool) (*inode, error) {
	switch {
	case f.node == nil:
		return nil, pathError(op, f.name, fs.ErrClosed)
	case f.node.isFolder():
		return nil, pathError(op, f.name, syscall.EISDIR)
	case writes && !f.writes:
		return nil, pathError(op, f.name, syscall.EBADF)
	}
	return f.node, nil
}

func (f *memoryFile) Read(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n, err := f.readAt(p, f.at)
	f.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *memoryFile) ReadAt(p []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.readAt(p, at)
}

func (f *memoryFile) readAt(p []byte, at int64) (int, error) {
	file, err := f.use("read", false)
	if err != nil || len(p) == 0 {
		return 0, err
	}
	if at >= int64(len(file.data)) {
		return 0, io.EOF
	}
	n := copy(p, file.data[at:])
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (f *memoryFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n, err := f.writeAt(p, f.at)
	f.at += int64(n)
	return n, err
}

func (f *memoryFile) WriteAt(p []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.writeAt(p, at)
}

func (f *memoryFile) writeAt(p []byte, at int64) (int, error) {
	file, err := f.use("write", true)
	if err != nil || len(p) == 0 {
		return 0, err
	}
	end := int(at) + len(p)
	begin := min(int(at), len(file.data)) // a gap is written as zeros
	file.data = grown(file.data, end)
	copy(file.data[at:], p)
	file.dirty.add(begin, end)
	file.modified = time.Now()
	return len(p), nil
}

// grown is data with at least so many bytes, the new ones zeros.
func grown(data []byte, size int) []byte {
	if more := size - len(data); more > 0 {
		data = append(data, make([]byte, more)...)
	}
	return data
}

func (f *memoryFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch n := f.node; {
	case n == nil:
		return pathError("sync", f.name, fs.ErrClosed)
	case n.isFolder():
		f.disk.log.sync(n)
	default:
		n.durable = grown(n.durable, len(n.data))
		for _, r := range n.dirty.ranges(len(n.data)) {
			copy(n.durable[r.from:r.to], n.data[r.from:r.to])
		}
		n.dirty = nil
	}
	return nil
}

// drop is what Linux does with the pages of a file that could not be written: they count as written from now on, and programs
// go on seeing them until they are read from the disk again, here after a crash.
func (f *memoryFile) drop() {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.node != nil {
		f.node.dirty = nil
	}
}

func (f *memoryFile) SyncData() error { return f.Sync() }

// SyncTo promises nothing, as its contract allows.
func (f *memoryFile) SyncTo(int64) (fullSync bool, err error) { return false, nil }

func (f *memoryFile) Preallocate(_, _ int64) error { return nil }
func (f *memoryFile) Prefetch(_, _ int64) error    { return nil }
func (f *memoryFile) Fd() uintptr                  { return vfs.InvalidFd }

// Flush tells Pebble that there is nothing to buffer above.
func (f *memoryFile) Flush() error { return nil }

func (f *memoryFile) Stat() (vfs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.node == nil {
		return nil, pathError("stat", f.name, fs.ErrClosed)
	}
	return f.node.info(f.name), nil
}
