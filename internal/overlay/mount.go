package overlay

import (
	"path"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Mount puts a folder of a file system at a path of an overlay.
type Mount struct {
	At  string // in the overlay; what is above it is in memory
	FS  vfs.FS
	Dir string // on FS, as FS wants it: a relative path is relative to what FS takes for its working directory
}

// New makes an overlay of what is mounted. A mount may be inside an earlier one. Without mounts it is an empty memory.
func New(mounts ...Mount) (*FS, error) {
	f := &FS{turn: make(chan struct{}, 1), root: newFolder(nil), locked: map[string]bool{}}
	for _, m := range mounts {
		if names := split(m.At); len(names) == 0 {
			f.root = newFolder(&place{m.FS, m.Dir})
			continue
		}
		if err := f.MkdirAll(path.Dir(m.At), 0); err != nil {
			return nil, err
		}
		dir, name, err := f.parent("mount", m.At)
		if err != nil {
			return nil, err
		}
		dir.set(name, newFolder(&place{m.FS, m.Dir}))
	}
	return f, nil
}
