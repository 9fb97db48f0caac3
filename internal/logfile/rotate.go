package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Limits are how much log is kept. Zero fields are the defaults.
type Limits struct {
	Size int64 // bytes of a file
	Keep int   // files beside the newest
}

// Bounds of Limits.
const (
	LeastSize = 64 << 10
	MostKept  = 1000
)

const (
	defaultSize = 64 << 20
	defaultKeep = 5
)

// target is the file, or what tests put in its place.
type target interface {
	Write(p []byte) (int, error)
	Stat() (fs.FileInfo, error)
	Close() error
}

// rotating is the file to which lines go at present. It belongs to one goroutine.
type rotating struct {
	path    string
	limits  Limits
	file    target
	size    int64 // as far as is known: other programs may write, too
	rotates bool
	follow  []int // standard output and error, if they are this file
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// isFull says whether the file has no room for so many bytes more.
func (f *rotating) isFull(more int64) bool { return f.rotates && f.size+more > f.limits.Size }

// rotate begins a new file, if this one has no room for so many bytes more. After an error
// lines go to the same file as before.
func (f *rotating) rotate(more int64) error {
	now, err := f.file.Stat()
	if err != nil {
		return err
	}
	if f.size = now.Size(); f.size+more <= f.limits.Size {
		return nil // it was cut meanwhile
	}
	switch there, err := os.Stat(f.path); {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(there, now):
		return f.become(f.path) // another program has moved it
	case err != nil:
		return err
	}
	if err := f.shift(); err != nil {
		return err
	}
	return f.become(f.path) // if that fails the next attempt finds the file moved, and opens one
}

// shift makes FILE.1 free and moves the file there.
func (f *rotating) shift() error {
	for i := f.limits.Keep; i > 0; i-- {
		from := f.path
		if i > 1 {
			from = f.name(i - 1)
		}
		if err := os.Rename(from, f.name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f *rotating) name(i int) string { return fmt.Sprintf("%s.%d", f.path, i) }

// become continues with another file.
func (f *rotating) become(path string) error {
	next, err := openAppend(path)
	if err != nil {
		return err
	}
	info, err := next.Stat()
	if err != nil {
		return errors.Join(err, next.Close())
	}
	for _, std := range f.follow {
		if err := redirect(next, std); err != nil {
			return errors.Join(err, next.Close())
		}
	}
	old := f.file
	f.file, f.size = next, info.Size()
	return old.Close()
}
