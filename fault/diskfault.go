package fault

import (
	"slices"
	"sync"
	"syscall"
	"time"
)

// Kind is a set of kinds of calls to a disk.
type Kind uint

// The kinds.
const (
	Create Kind = 1 << iota // make a file, or open one for writing
	Write                   // write or preallocate bytes of a file
	Sync                    // sync a file or a folder
	Rename
	Link
	Remove // a file, or a folder with all that is in it
	Mkdir
	Open // a file for reading, or a folder
	Read // bytes of a file
	List // a folder
	Stat

	Changes = Create | Write | Sync | Rename | Link | Remove | Mkdir
	Any     = Changes | Open | Read | List | Stat
)

// Calls selects calls to a disk.
type Calls struct {
	Kinds Kind                   // 0: Changes
	Path  func(path string) bool // nil: every path. Of two paths, as Rename has them, one is enough. A server's begin with its data directory
	After int                    // so many selected calls pass first
	Times int                    // so many calls after them the fault concerns, and then it ends by itself; 0: all
}

// matches reports whether a call is selected, After aside.
func (c Calls) matches(kind Kind, paths []string) bool {
	if c.Kinds == 0 {
		c.Kinds = Changes
	}
	return c.Kinds&kind != 0 && c.selects(paths)
}

// selects reports whether one of the paths is selected.
func (c Calls) selects(paths []string) bool {
	if c.Path == nil {
		return true
	}
	for _, path := range paths {
		if c.Path(path) {
			return true
		}
	}
	return false
}

// DiskFault is a fault that a Disk has, or had. All methods may be called from any goroutine.
type DiskFault struct {
	all    *diskFaults
	calls  Calls
	strike func(f *DiskFault, paths []string) error // what it does to a call; without the lock
	space  bool                                     // it is of a full disk
	tears  bool                                     // it concerns no call, but what a crash leaves

	room    int64 // bytes that a full disk still takes
	met     int
	struck  int // calls that are done with the fault
	reached chan struct{}
	ended   chan struct{}
	once    sync.Once
}

// Met counts the calls that the fault concerned.
func (f *DiskFault) Met() int {
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	return f.met
}

// Reached is closed when the fault concerns a call for the first time.
func (f *DiskFault) Reached() <-chan struct{} { return f.reached }

// End takes the fault back; calls that hang go on. Calling it again is harmless.
func (f *DiskFault) End() {
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	f.end()
}

// end is End with the lock of the disk held.
func (f *DiskFault) end() {
	f.once.Do(func() {
		close(f.ended)
		f.all.list = slices.DeleteFunc(f.all.list, func(other *DiskFault) bool { return other == f })
	})
}

// note counts a call that the fault concerns; the lock of the disk is held.
func (f *DiskFault) note() {
	if f.met++; f.met == 1 {
		close(f.reached)
	}
}

// spent reports whether the fault has concerned as many calls as it was made for. The lock of the disk is held.
func (f *DiskFault) spent() bool { return f.calls.Times > 0 && f.met >= f.calls.Times }

// lostError is the error of a sync that loses what it was to sync.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// take takes n bytes of what a full disk has left, with the lock of the disk held. Of a write that does not fit,
// as much is written as fits; other calls need one byte, and take none.
func (f *DiskFault) take(kind Kind, n int) (fits int, err error) {
	if kind == Write && f.room >= int64(n) {
		f.room -= int64(n)
		return n, nil
	}
	if kind != Write && f.room > 0 {
		return n, nil
	}
	fits = int(min(f.room, int64(n)))
	f.room -= int64(fits)
	f.note()
	return fits, syscall.ENOSPC
}

// pause waits for a time, or until the fault ends.
func (f *DiskFault) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.ended:
	}
}

// diskFaults are the faults of one disk, in the order in which they were made.
type diskFaults struct {
	mu   sync.Mutex // guards the list and all faults in it; not held while a call waits
	list []*DiskFault
}

func (a *diskFaults) add(calls Calls, set func(*DiskFault)) *DiskFault {
	f := &DiskFault{all: a, calls: calls, reached: make(chan struct{}), ended: make(chan struct{})}
	set(f)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, f)
	return f
}

// end ends all but those that are kept.
func (a *diskFaults) end(kept ...*DiskFault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range slices.Clone(a.list) {
		if !slices.Contains(kept, f) {
			f.end()
		}
	}
}

// call lets a call meet its faults. Of size bytes that it writes, fits may be written before its error is returned.
func (a *diskFaults) call(kind Kind, size int, paths ...string) (fits int, err error) {
	a.mu.Lock()
	var strikes []*DiskFault
	fits = size
	for _, f := range a.list {
		switch {
		case f.tears || f.spent() || !f.calls.matches(kind, paths):
		case f.calls.After > 0:
			f.calls.After--
		case f.space && err == nil:
			fits, err = f.take(kind, size)
		case !f.space:
			f.note()
			strikes = append(strikes, f)
		}
	}
	a.mu.Unlock()
	for _, f := range strikes {
		failed := f.strike(f, paths)
		a.retire(f)
		if failed != nil {
			return 0, failed
		}
	}
	return fits, err
}

// retire ends a fault that has concerned as many calls as it was made for, once the last of them is done with it.
func (a *diskFaults) retire(f *DiskFault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f.struck++; f.calls.Times > 0 && f.struck >= f.calls.Times {
		f.end()
	}
}

// tear reports whether a fault tears what a crash leaves.
func (a *diskFaults) tear() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.list, func(f *DiskFault) bool { return f.tears })
}

// tearsFile reports whether the unsynced writes of a file are torn, and counts that.
func (a *diskFaults) tearsFile(path string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.list {
		switch {
		case !f.tears || f.spent() || !f.calls.selects([]string{path}):
		case f.calls.After > 0:
			f.calls.After--
		default:
			f.note()
			return true
		}
	}
	return false
}

// room is how many bytes a full disk has left, and whether it is one.
func (a *diskFaults) room() (bytes int64, full bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.list {
		if f.space && !f.spent() && f.calls.Path == nil && (!full || f.room < bytes) {
			bytes, full = f.room, true
		}
	}
	return bytes, full
}
