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
	delete(b.damaged, name)
	s.read = at.Unix()
	b.sums[name] = s
	b.awake()
}

// LastRead says when a table was read without finding damage, the zero time if never.
func (b *Book) LastRead(name string) (at time.Time) {
	if b == nil {
		return at
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sums[name]; s.read > 0 {
		at = time.Unix(s.read, 0)
	}
	return at
}

// Damaged notes that a table is not what was written, until it is read without finding that. It returns
// false if that is known already, or if the engine has removed the table.
func (b *Book) Damaged(name string, why error) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.installed[name] {
		return false
	}
	news = b.damaged[name] == nil
	b.damaged[name] = why
	return news
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

// AnyDamage says whether some table of the engine is known to be damaged.
func (b *Book) AnyDamage() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.damaged) > 0
}
