package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ReadNote reads a small file of the directory; nil if it does not exist.
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

// WriteNote replaces a small file of the directory. After a crash the file has its old
// content or the new one, whole.
func (d *Dir) WriteNote(name string, data []byte) error {
	return writeFile(d.fs, d.path, name, data)
}

// RemoveNote removes a small file of the directory, durably. A missing file is no error.
func (d *Dir) RemoveNote(name string) error {
	err := d.fs.Remove(d.Path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = SyncDir(d.fs, d.path)
	}
	if err != nil {
		return fmt.Errorf("data directory %s: remove %s: %w", d.path, name, err)
	}
	return nil
}
