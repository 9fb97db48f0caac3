package piece

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/dbserver/engine"
)

// Depth says how closely a file is looked at.
type Depth bool

// Depths.
const (
	Sized  Depth = false // name and size
	Hashed Depth = true  // the hash, too
)

// Known says what is known of files that an Inventory then does not read. The zero value knows nothing.
type Known struct {
	Written func(name string) (size int64, sha256 string, known bool) // what was written under this name; nil: nothing
	Earlier func() Hashes                                             // hashes of earlier pieces, asked for if Written lacks a table; nil: none
}

// file is a file of which all is known.
func (k Known) file(name string) (f File, known bool) {
	if k.Written == nil || !engine.IsImmutable(name) {
		return File{}, false
	}
	f.Name = name
	f.Size, f.SHA256, known = k.Written(name)
	return f, known
}

// earlier are the hashes of earlier pieces, if they can help with this file.
func (k Known) earlier(name string) Hashes {
	if k.Earlier == nil || !engine.IsImmutable(name) {
		return nil
	}
	return k.Earlier()
}

// Inventory lists the engine files in dir, ordered by name. It leaves out what is not
// content: the lock file, the mark of a restore and the engine's sums. It does not look at
// files of which all is known.
func Inventory(ctx context.Context, fs vfs.FS, dir string, d Depth, known Known) (Manifest, error) {
	names, err := fs.List(dir)
	if err != nil {
		return Manifest{}, err
	}
	slices.Sort(names)
	m := Manifest{Format: ManifestFormat, Files: []File{}}
	for _, name := range names {
		if isOwn(name) {
			continue
		}
		if f, all := known.file(name); all {
			m.Files = append(m.Files, f)
			continue
		}
		f, err := Measure(ctx, fs, fs.PathJoin(dir, name), d, known.earlier(name))
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
