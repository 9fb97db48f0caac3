// Package disklock has locks that may be held while a disk works.
//
// A goroutine that waits for a sync.Mutex counts as running: while the holder waits for a disk
// that hangs, the virtual time of a test's bubble stands still, and the limit that would end
// that wait never comes. Here a goroutine that waits waits on a condition, which lets time go on.
package disklock

import "sync"

// Mutex is a lock with one holder. A goroutine that comes may get it before those that wait, until
// one of these was woken and came too late: then it waits behind them. The zero value is unlocked.
type Mutex struct {
	mu        sync.Mutex // never held for anything but memory
	held      bool
	overtaken int        // goroutines that wait again, because they came too late when they were woken
	free      *sync.Cond // made by the first that waits
}

// Lock waits until no other goroutine holds the lock.
func (l *Mutex) Lock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	woken := 0
	// Whenever the lock is free and one waits, one is woken: so one that comes may wait, too, then.
	for ; l.held || woken == 0 && l.overtaken > 0; woken++ {
		if woken == 1 {
			l.overtaken++
		}
		if l.free == nil {
			l.free = sync.NewCond(&l.mu)
		}
		l.free.Wait()
	}
	if woken > 1 {
		l.overtaken--
	}
	l.held = true
}

// Unlock lets the next one have it.
func (l *Mutex) Unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		panic("disklock: Unlock of a lock that is not held")
	}
	l.held = false
	if l.free != nil {
		l.free.Signal()
	}
}

// RWMutex is a lock with one holder or many readers. Like a sync.RWMutex it lets in no reader
// while a holder waits, so that readers cannot keep it out, and when a holder ends those that
// wait to read come before the next one. The zero value is unlocked.
type RWMutex struct {
	mu      sync.Mutex // never held for anything but memory
	held    bool
	readers int
	waiting int        // goroutines that want to hold it
	queued  int        // goroutines that wait to read
	turn    uint64     // how often it was held
	changed *sync.Cond // made by the first that waits
}

// Lock waits until no other goroutine holds or reads.
func (l *RWMutex) Lock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting++
	for l.held || l.readers > 0 {
		l.wait()
	}
	l.waiting--
	l.held = true
}

// Unlock ends what Lock began.
func (l *RWMutex) Unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		panic("disklock: Unlock of a lock that is not held")
	}
	l.held = false
	l.readers, l.queued = l.queued, 0
	l.turn++
	l.wake()
}

// RLock waits until no other goroutine holds the lock, if one does or waits to.
func (l *RWMutex) RLock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held && l.waiting == 0 {
		l.readers++
		return
	}
	l.queued++
	for turn := l.turn; turn == l.turn; { // Unlock counts it among the readers
		l.wait()
	}
}

// RUnlock ends what RLock began.
func (l *RWMutex) RUnlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers == 0 {
		panic("disklock: RUnlock of a lock that is not read")
	}
	if l.readers--; l.readers == 0 {
		l.wake()
	}
}

func (l *RWMutex) wait() {
	if l.changed == nil {
		l.changed = sync.NewCond(&l.mu)
	}
	l.changed.Wait()
}

// wake has all that wait look again: only one of them may be able to go on, but which one depends
// on what it wants.
func (l *RWMutex) wake() {
	if l.changed != nil {
		l.changed.Broadcast()
	}
}
