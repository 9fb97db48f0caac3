package fault

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Disk is the disk of one machine. It works as the file system below it until it is given a fault.
// Faults add up: a call meets those that concern it in the order in which they were made.
//
// All methods may be called from any goroutine. In a bubble of testing/synctest, Hang and Slow take virtual time.
type Disk struct {
	faults diskFaults
	mu     sync.Mutex // guards below
	below  vfs.FS
}

// NewDisk makes an empty disk in memory, which can crash.
func NewDisk() *Disk { return &Disk{below: newMemory()} }

// WrapDisk makes a disk of a file system, as vfs.Default. It cannot crash.
func WrapDisk(below vfs.FS) *Disk { return &Disk{below: below} }

// FS is the disk as a program uses it that starts now. After a Crash, what has the file system from before
// goes on with files that are lost, and only a new FS has what was left. A server is therefore given a new FS at each start.
func (d *Disk) FS() vfs.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &diskFS{faults: &d.faults, FS: d.below}
}

// Fail makes calls return err and do nothing else. The error is wrapped in an *fs.PathError. A sync that fails has lost nothing: the next
// one may succeed. See LoseSyncs.
func (d *Disk) Fail(calls Calls, err error) *DiskFault {
	return d.add(calls, func(*DiskFault, []string) error { return err })
}

// LoseSyncs makes syncs of files fail with err as Linux does when the device refuses what is written: the bytes that were to be synced count as
// written from then on. Programs go on reading them, later syncs succeed without them, and after a crash they are gone. Kinds of calls are not heeded. A wrapped
// disk only returns the error.
func (d *Disk) LoseSyncs(calls Calls, err error) *DiskFault {
	calls.Kinds = Sync
	return d.add(calls, func(*DiskFault, []string) error { return lostError{err} })
}

// Hang makes calls wait until the fault ends. A server whose calls hang can hardly be stopped: end the fault first.
func (d *Disk) Hang(calls Calls) *DiskFault {
	return d.add(calls, func(f *DiskFault, _ []string) error {
		<-f.ended
		return nil
	})
}

// Slow makes each call take so much longer.
func (d *Disk) Slow(calls Calls, each time.Duration) *DiskFault {
	return d.add(calls, func(f *DiskFault, _ []string) error {
		f.pause(each)
		return nil
	})
}

// Do calls do before each call goes on. do may wait; the path is the call's first.
func (d *Disk) Do(calls Calls, do func(path string)) *DiskFault {
	return d.add(calls, func(_ *DiskFault, paths []string) error {
		do(paths[0])
		return nil
	})
}

// Fill leaves room for so many bytes. A write beyond them is cut short with syscall.ENOSPC; when none is left, no file
// or folder can be made either. Removing files gives no room back, as on a disk that other programs fill up: End does.
// Path and After of calls are heeded; its Kinds are not. Only calls that do not fit count as met. A DB server
// looks every 50 ms whether there is space again, and refuses writes until then.
func (d *Disk) Fill(calls Calls, bytes int64) *DiskFault {
	calls.Kinds = Write | Create | Mkdir | Link
	return d.faults.add(calls, func(f *DiskFault) { f.space, f.room = true, bytes })
}

// Tear makes the next Crash tear the writes of files that were not synced: of the sectors of 512 bytes that were written to a file since it was
// last synced the first ones are on the disk, or any of them, but at least one is and at least one is not. Its choice is drawn with the random of Crash. Of
// calls Path, After and Times are heeded, and they count files; a path is that from the root of the disk, without a slash before it. A file of which less than two sectors were written cannot be torn, and does not count as met.
func (d *Disk) Tear(calls Calls) *DiskFault {
	return d.faults.add(calls, func(f *DiskFault) { f.tears = true })
}

// HealAll ends all faults.
func (d *Disk) HealAll() { d.faults.end() }

// HealAllBut ends all faults but those that are given: they are there for another reason.
func (d *Disk) HealAllBut(kept ...*DiskFault) { d.faults.end(kept...) }

func (d *Disk) add(calls Calls, strike func(*DiskFault, []string) error) *DiskFault {
	return d.faults.add(calls, func(f *DiskFault) { f.strike = strike })
}

// Crash is a power cut: what the next FS has is what was synced, and of the rest a part, drawn with random, of
// unsyncedPercent in the hundred. The rest is bytes of files, in pages of 4096, and changes of names. It is as little as ext4 and POSIX promise: each
// name that was made, removed, renamed or linked since its folder was synced may be as it was at any time since. Changes of one name, and those of one file,
// come in their order. So a file that was removed and made again may be missing, and RemoveAll may be half done; a file that was renamed has its old
// name or its new one, or both, in two folders, too, and is there when either was synced. A file that had a name all the time has one. What is left depends
// on the seed of random alone; random may be nil if unsyncedPercent is 0 and no fault tears. What runs on
// the disk does not notice, and goes on with the files from before: what it says from then on must not arrive, not even when the network
// heals. So isolate the server first, crash its disk, break its connections ([Network.Reset], with each server that it speaks to), kill it, and let it
// rejoin. The error says that the disk cannot crash.
func (d *Disk) Crash(unsyncedPercent int, random *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	below, ok := d.below.(*memory)
	switch {
	case !ok:
		return errors.New("crash a disk: only a disk in memory can lose what was not synced")
	case random == nil && (unsyncedPercent > 0 || d.faults.tear()):
		return errors.New("crash a disk: what is left of what was not synced, and where a write is torn, is drawn with random, which is nil")
	}
	d.below = below.crashed(crash{percent: unsyncedPercent, random: random, torn: d.faults.tearsFile})
	return nil
}
