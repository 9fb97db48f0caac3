package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ReadNote reads a small file of the directory, nil if it is not there.
func (d *Dir) ReadNote(name string) ([]byte, error) {
	f, err := d.fs.Open(d.Path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", d.path, err)
	}
	raw, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("data directory %s: read %s: %w", d.path, name, err)
	}
	return raw, nil
}

// WriteNote replaces a small file of the directory: after a crash it is the one from
// before or this one, whole.
func (d *Dir) WriteNote(name string, data []byte) error {
	temp := name + ".tmp"
	f, err := d.fs.Create(d.Path(temp), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("data directory %s: write %s: %w", d.path, name, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = d.fs.Rename(d.Path(temp), d.Path(name))
	}
	if err == nil {
		err = syncDir(d.fs, d.path)
	}
	if err != nil {
		return fmt.Errorf("data directory %s: write %s: %w", d.path, name, err)
	}
	return nil
}

// RemoveNote removes a small file of the directory for good; that it is not there is no
// error.
func (d *Dir) RemoveNote(name string) error {
	err := d.fs.Remove(d.Path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(d.fs, d.path)
	}
	if err != nil {
		return fmt.Errorf("data directory %s: remove %s: %w", d.path, name, err)
	}
	return nil
}
