package piece

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Depth says how closely a file is looked at.
type Depth bool

// Depths.
const (
	Sized  Depth = false // name and size
	Hashed Depth = true  // the hash, too
)

// Inventory lists the engine files in dir, ordered by name. It leaves out what is not
// content: the lock file and the mark of a restore. It takes hashes from known where
// that has them.
func Inventory(ctx context.Context, fs vfs.FS, dir string, d Depth, known Hashes) (Manifest, error) {
	names, err := fs.List(dir)
	if err != nil {
		return Manifest{}, err
	}
	slices.Sort(names)
	m := Manifest{Format: ManifestFormat, Files: []File{}}
	for _, name := range names {
		if name == fileLock || name == FileRestored {
			continue
		}
		f, err := Measure(ctx, fs, fs.PathJoin(dir, name), d, known)
		if err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
		m.Files = append(m.Files, f)
	}
	return m, nil
}

// Measure describes one file. It takes the hash from known if that has it.
func Measure(ctx context.Context, fs vfs.FS, path string, d Depth, known Hashes) (File, error) {
	info, err := fs.Stat(path)
	if err != nil {
		return File{}, err
	}
	if info.IsDir() {
		return File{}, errors.New("is a folder")
	}
	f := File{Name: fs.PathBase(path), Size: info.Size()}
	if d == Sized {
		return f, nil
	}
	if sum, ok := known.of(f.Name, info); ok {
		f.SHA256 = sum
		return f, nil
	}
	f.SHA256, err = Hash(ctx, fs, path)
	return f, err
}
