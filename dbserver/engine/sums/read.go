package sums

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Read is called when a table was read and nothing is wrong with it. A table without a sum gets the one
// that was computed.
func (b *Book) Read(name, sha256 string, info vfs.FileInfo, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.installed[name] { // it was removed meanwhile
		return
	}
	s, known := b.sums[name]
	if !known {
		s = Sum{Size: info.Size(), SHA256: sha256, file: witnessOf(info)}
	}
	s.read = at.Unix()
	b.sums[name] = s
	b.awake()
}

// LastRead says when a table was read without finding damage, the zero time if never, and whether it is
// known to be damaged.
func (b *Book) LastRead(name string) (at time.Time, damaged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sums[name]; s.read > 0 {
		at = time.Unix(s.read, 0)
	}
	return at, b.damaged[name] != nil
}

// Damaged notes that a table is not what was written.
func (b *Book) Damaged(name string, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.installed[name] {
		b.damaged[name] = why
	}
}

// Damage is what is wrong with a table, as far as that is known; nil: nothing.
func (b *Book) Damage(name string) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.damaged[name]
}
