package shard

import (
	"hash/maphash"
	"sync"
)

// stripes of a shard's key locks: two writers of different keys rarely meet.
const stripes = 256

// keyLocks orders the writers of each key: while one holds the key's lock it reads, decides and
// numbers, and no other writer of that key comes between.
type keyLocks struct {
	seed maphash.Seed
	mu   [stripes]diskLock
}

func newKeyLocks() *keyLocks { return &keyLocks{seed: maphash.MakeSeed()} }

func (l *keyLocks) of(key string) *diskLock {
	return &l.mu[maphash.String(l.seed, key)%stripes]
}

// diskLock is a mutex that may be held while the disk works. Goroutines that wait for it wait on
// a condition: in a test's bubble time goes on then, as it does not for a sync.Mutex. The zero
// value is unlocked.
type diskLock struct {
	mu   sync.Mutex
	held bool
	free *sync.Cond // made by the first that waits
}

func (l *diskLock) Lock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.held {
		if l.free == nil {
			l.free = sync.NewCond(&l.mu)
		}
		l.free.Wait()
	}
	l.held = true
}

func (l *diskLock) Unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = false
	if l.free != nil {
		l.free.Signal()
	}
}
