package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// rotate begins a new file, if this one has no room for so many bytes. After an error
// lines go to the file they went to.
func (f *File) rotate(more int64) error {
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
func (f *File) shift() error {
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

func (f *File) name(i int) string { return fmt.Sprintf("%s.%d", f.path, i) }

// become goes on with another file.
func (f *File) become(path string) error {
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
