package datadir

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// makeDir creates dir durably, with its missing parents.
func makeDir(fs vfs.FS, dir string) error {
	var parents []string
	for d := dir; ; d = fs.PathDir(d) {
		if _, err := fs.Stat(d); err == nil || fs.PathDir(d) == d {
			break
		}
		parents = append(parents, fs.PathDir(d))
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create data directory %s: %w", dir, err)
	}
	for _, p := range parents {
		if err := SyncDir(fs, p); err != nil {
			return fmt.Errorf("create data directory %s: %w", dir, err)
		}
	}
	return nil
}

// writeFile replaces a file of dir: to a temporary file, synced, renamed, dir synced.
func writeFile(fs vfs.FS, dir, name string, data []byte) error {
	path, temp := fs.PathJoin(dir, name), fs.PathJoin(dir, name+".tmp")
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("data directory %s: write %s: %w", dir, name, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fs.Rename(temp, path)
	}
	if err == nil {
		err = SyncDir(fs, dir)
	}
	if err != nil {
		return fmt.Errorf("data directory %s: write %s: %w", dir, name, err)
	}
	return nil
}

// SyncDir makes the entries of a folder durable: files and folders that were made, renamed or removed
// in it.
func SyncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
