package sums

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/failpoint"
)

// Writing returns the file of a table that was just created at path, or err. The table gets its sum when
// the file is closed, if the allowance was not used up when it was created.
func (b *Book) Writing(path string, file vfs.File, err error) (vfs.File, error) {
	if b == nil || err != nil || b.fs.PathDir(path) != b.dir {
		return file, err
	}
	b.Forget(path)
	if !b.allowed.takes() {
		return file, nil
	}
	return &writing{File: file, book: b, name: b.fs.PathBase(path), sum: sha256.New()}, nil
}

// writing is a table while it is written. It belongs to one goroutine.
type writing struct {
	vfs.File
	book   *Book
	name   string
	sum    hash.Hash
	size   int64
	broken bool // it is not what went through sum
}

// Write takes p before the disk does, which may change it.
func (w *writing) Write(p []byte) (int, error) {
	w.sum.Write(p)
	w.book.allowed.spend(len(p))
	n, err := w.File.Write(p)
	w.size += int64(n)
	if err != nil || n != len(p) {
		w.broken = true
	}
	return n, err
}

// WriteAt leaves the order, so the table has no sum.
func (w *writing) WriteAt(p []byte, at int64) (int, error) {
	w.broken = w.broken || !failpoint.Off("sum-in-order")
	return w.File.WriteAt(p, at)
}

// Sync that fails says that what was written may not be there.
func (w *writing) Sync() error { return w.unless(w.File.Sync()) }

// SyncData is like Sync.
func (w *writing) SyncData() error { return w.unless(w.File.SyncData()) }

func (w *writing) unless(err error) error {
	w.broken = w.broken || err != nil
	return err
}

// Close gives the table its sum.
func (w *writing) Close() error {
	info, unknown := w.File.Stat()
	if err := w.File.Close(); err != nil {
		return err
	}
	if unknown == nil && !w.broken && info.Size() == w.size {
		w.book.note(w.name, Sum{Size: w.size, SHA256: hex.EncodeToString(w.sum.Sum(nil)), file: witnessOf(info)})
	}
	return nil
}
