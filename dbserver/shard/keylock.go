package shard

import (
	"crypto/rand"
	"encoding/binary"

	"stasis/internal/disklock"
)

// stripes of a shard's key locks: two writers of different keys rarely meet.
const stripes = 256

// keyLocks orders the writers of each key: while one holds the key's lock it reads, decides and
// numbers, and no other writer of that key comes between.
type keyLocks struct {
	seed uint64
	mu   [stripes]disklock.Mutex
}

// newKeyLocks takes its seed from crypto/rand: which keys share a lock is not to be foreseen, but by the fault lab, which
// seeds that source. (hash/maphash cannot be seeded.)
func newKeyLocks() *keyLocks {
	var bits [8]byte
	_, _ = rand.Read(bits[:]) // never fails; it ends the program instead
	return &keyLocks{seed: binary.LittleEndian.Uint64(bits[:])}
}

// of hashes the key with FNV-1a, which begins with the seed, and mixes what is in the low bits.
func (l *keyLocks) of(key string) *disklock.Mutex {
	sum := l.seed
	for i := range len(key) {
		sum = (sum ^ uint64(key[i])) * 0x100000001b3
	}
	return &l.mu[(sum^sum>>32)%stripes]
}
