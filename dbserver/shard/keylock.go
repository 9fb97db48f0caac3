package shard

import (
	"hash/maphash"
	"sync"
)

// stripes of a shard's key locks: two writers of different keys rarely meet.
const stripes = 256

// keyLocks orders the writers of each key: whoever holds a key's lock reads,
// decides and commits without another writer of that key in between.
type keyLocks struct {
	seed maphash.Seed
	mu   [stripes]sync.Mutex
}

func newKeyLocks() *keyLocks { return &keyLocks{seed: maphash.MakeSeed()} }

func (l *keyLocks) of(key string) *sync.Mutex {
	return &l.mu[maphash.String(l.seed, key)%stripes]
}
