package engine

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/dbserver/engine/sums"
)

// cutFS sees what Pebble does to the disk. It holds a checkpoint back at the moment at
// which the checkpoint makes its folder, lets no table be copied into it, and ends the copy
// of a log where the log ends. It has the sums of tables computed while they are written.
type cutFS struct {
	vfs.FS
	space  *spaceFS   // what the engine itself writes goes through it
	sums   *sums.Book // of the engine's tables; nil: none are kept
	tables Meter      // of what is done to tables that are being written: by flushes and compactions

	mu   sync.Mutex
	copy *cutCopy // that is being made; nil between cuts
}

// cutCopy is the copy that a checkpoint makes, as the file system sees it.
type cutCopy struct {
	dir  string
	from string // the engine's directory

	folder  chan struct{} // closed when the version and the list of logs are fixed
	proceed chan struct{} // closed when the checkpoint may go on
	once    sync.Once     // closes proceed
	dropped bool          // set before proceed is closed: the checkpoint must fail

	links  atomic.Int64        // hard links made
	sums   map[string]sums.Sum // of the linked tables, as far as they are known; of the checkpoint until it ends
	rotten error               // the first linked table that is known to be damaged
	work   Meter               // of what is done in the folder
}

func newCutCopy(dir, from string) *cutCopy {
	return &cutCopy{dir: dir, from: from, folder: make(chan struct{}), proceed: make(chan struct{}), sums: map[string]sums.Sum{}}
}

// goOn lets the checkpoint go on.
func (c *cutCopy) goOn() { c.once.Do(func() { close(c.proceed) }) }

// drop makes the checkpoint fail if it has not got past its folder.
func (c *cutCopy) drop() {
	c.once.Do(func() {
		c.dropped = true
		close(c.proceed)
	})
}

func (f *cutFS) watch(c *cutCopy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.copy = c
}

func (f *cutFS) unwatch() { f.watch(nil) }

// abandon drops the cut that is being made, if any.
func (f *cutFS) abandon() {
	if c := f.current(); c != nil {
		c.drop()
	}
}

func (f *cutFS) current() *cutCopy {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.copy
}

// inside returns the copy whose folder holds name; nil if none does.
func (f *cutFS) inside(name string) *cutCopy {
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

// Link counts the hard links of a cut, and notes what is known of the tables that they are of.
func (f *cutFS) Link(oldname, newname string) error {
	c := f.inside(newname)
	if c == nil {
		f.sums.Forget(newname)
		return f.FS.Link(oldname, newname)
	}
	err := f.FS.Link(oldname, newname)
	if err == nil {
		c.links.Add(1)
		c.work.did(nil)
		if s, known := f.sums.Of(f.PathBase(newname)); known {
			c.sums[f.PathBase(newname)] = s
		}
		if why := f.sums.Damage(f.PathBase(newname)); why != nil && c.rotten == nil {
			c.rotten = fmt.Errorf("table %s is damaged: %w", f.PathBase(newname), why)
		}
	}
	return err
}

// Remove takes a table's sum with the table.
func (f *cutFS) Remove(name string) error {
	f.sums.Forget(name)
	return f.FS.Remove(name)
}

// Rename gives the new name another file.
func (f *cutFS) Rename(from, to string) error {
	f.sums.Forget(from)
	f.sums.Forget(to)
	return f.FS.Rename(from, to)
}

// OpenReadWrite may change the file.
func (f *cutFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f.sums.Forget(name)
	return f.FS.OpenReadWrite(name, c, o...)
}

// Create refuses to copy a table into a cut, which Pebble tries when a link fails, and
// sees to the length of logs.
func (f *cutFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	c := f.inside(name)
	if c == nil {
		file, err := f.space.Create(name, category)
		if IsImmutable(name) {
			return f.tables.file(f.sums.Writing(name, file, err))
		}
		return file, err
	}
	if IsImmutable(f.PathBase(name)) {
		return nil, fmt.Errorf("%s could not be linked and is not copied", f.PathBase(name))
	}
	if isLog(name) {
		return copyLog(f.FS, c.from, &c.work, name, category)
	}
	return c.work.file(f.FS.Create(name, category))
}

// ReuseForWrite is for the engine's own logs.
func (f *cutFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.sums.Forget(from)
	f.sums.Forget(to)
	return f.space.ReuseForWrite(from, to, category)
}

// Unwrap gives the file system below.
func (f *cutFS) Unwrap() vfs.FS { return f.FS }
