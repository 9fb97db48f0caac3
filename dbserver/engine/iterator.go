package engine

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Reader is what an Engine and a Snapshot have in common.
type Reader interface {
	Get(key []byte) (value []byte, found bool, err error)
	NewIter(lower, upper []byte) (*Iterator, error)
}

var (
	_ Reader = (*Engine)(nil)
	_ Reader = (*Snapshot)(nil)
)

// Iterator walks keys in byte order, as they were when it was made. It starts
// before the first key. It belongs to one goroutine.
type Iterator struct {
	it    *pebble.Iterator
	moved bool
}

// NewIter walks keys from lower (inclusive) to upper (exclusive); nil is no bound.
func (e *Engine) NewIter(lower, upper []byte) (*Iterator, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.leave()
	return newIter(e.db, lower, upper)
}

func newIter(r pebble.Reader, lower, upper []byte) (*Iterator, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("iterate %x…%x: %w", lower, upper, translate(err))
	}
	return &Iterator{it: it}, nil
}

// First goes to the first key. It returns false if there is none, or after an error.
func (i *Iterator) First() bool { i.moved = true; return i.it.First() }

// Last goes to the last key.
func (i *Iterator) Last() bool { i.moved = true; return i.it.Last() }

// SeekGE goes to the first key that is key or greater.
func (i *Iterator) SeekGE(key []byte) bool { i.moved = true; return i.it.SeekGE(key) }

// Next goes to the next key; a new iterator, to the first.
func (i *Iterator) Next() bool {
	if !i.moved {
		return i.First()
	}
	return i.it.Next()
}

// Prev goes to the key before.
func (i *Iterator) Prev() bool { return i.it.Prev() }

// Key is valid until the next move: copy it to keep it.
func (i *Iterator) Key() []byte { return i.it.Key() }

// Value is valid until the next move: copy it to keep it.
func (i *Iterator) Value() ([]byte, error) {
	v, err := i.it.ValueAndErr()
	return v, translate(err)
}

// Err is the error that ended the walk. Check it when a move returns false.
func (i *Iterator) Err() error { return translate(i.it.Error()) }

// Close ends the walk. Every iterator must be closed before its engine.
func (i *Iterator) Close() error { return translate(i.it.Close()) }

// Snapshot reads the engine as it was when the snapshot was made.
type Snapshot struct{ s *pebble.Snapshot }

// NewSnapshot returns a view of the present content. It must be closed before the engine.
// While it is open, the disk keeps what it sees.
func (e *Engine) NewSnapshot() (*Snapshot, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.leave()
	return &Snapshot{e.db.NewSnapshot()}, nil
}

// Get reads one key; the value is the caller's own copy.
func (s *Snapshot) Get(key []byte) ([]byte, bool, error) { return get(s.s, key) }

// NewIter walks keys from lower (inclusive) to upper (exclusive); nil is no bound.
func (s *Snapshot) NewIter(lower, upper []byte) (*Iterator, error) {
	return newIter(s.s, lower, upper)
}

// Close ends the snapshot.
func (s *Snapshot) Close() error { return s.s.Close() }
