// Package store has exports that are used, and some that are not.
package store

import "errors"

// ErrFull may be needed by a caller.
var ErrFull = errors.New("full")

// Kinds, of which one is used.
const (
	Small = iota
	Large
)

const Most = 7 // found

// Store is used.
type Store struct{ rows rows }

// Row is only got, and never named.
type Row struct{}

type Idle struct{} // found

type rows struct{}

// Get is used.
func (*Store) Get() Row { return Row{} }

func (*Store) Put(Row) {} // found

// Close is one of io.Closer.
func (*Store) Close() error { return nil }

// FlushError is what http.ResponseController looks for.
func (*Store) FlushError() error { return nil }

// Open is used by the package's own tests, which are another package.
func Open() *Store { return &Store{} }

func Shut() {} // found: its own test is in the package
