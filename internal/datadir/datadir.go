package datadir

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/version"
)

// Dir is an open data directory. No other process can open it until Close.
type Dir struct {
	fs   vfs.FS
	path string
	id   string
	lock io.Closer
}

// Open locks dir, makes it if it is missing, and checks that it belongs to role. A new
// directory gets its id from newID (role.NewID if nil).
func Open(fs vfs.FS, dir string, role Role, newID func() string) (*Dir, error) {
	if err := makeDir(fs, dir); err != nil {
		return nil, err
	}
	lock, err := Lock(fs, dir, lockFile)
	if err != nil {
		return nil, err
	}
	id, err := readIdentity(fs, dir)
	if err == nil && id == nil {
		err = checkNew(fs, dir)
	}
	if err == nil && id == nil {
		if newID == nil {
			newID = role.NewID
		}
		id = &identity{Format: formatNumber, Role: role, ID: newID(), Version: version.Stasis}
		err = claim(fs, dir, id)
	}
	if err == nil {
		err = id.check(dir, role)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Dir{fs: fs, path: dir, id: id.ID, lock: lock}, nil
}

// ID is the server's id, the same for the life of the directory.
func (d *Dir) ID() string { return d.id }

// Path joins elem to the directory's path.
func (d *Dir) Path(elem ...string) string {
	return d.fs.PathJoin(append([]string{d.path}, elem...)...)
}

// Close lets other processes open the directory. It may be called again.
func (d *Dir) Close() error {
	lock := d.lock
	d.lock = nil
	if lock == nil {
		return nil
	}
	if err := lock.Close(); err != nil {
		return fmt.Errorf("unlock %s: %w", d.path, err)
	}
	return nil
}
