package datadir

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const linkProbe = "STASIS.linkprobe"

// CheckSameFileSystem returns nil if files in directory a can be hard-linked into directory
// b. It links a file, because a mount inside the tree cannot be detected otherwise.
func CheckSameFileSystem(fs vfs.FS, a, b string) error {
	from, to := fs.PathJoin(a, linkProbe), fs.PathJoin(b, linkProbe+".linked")
	f, err := fs.Create(from, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("probe hard links in %s: %w", a, err)
	}
	err = f.Close()
	if err == nil {
		if rerr := fs.Remove(to); rerr != nil && !errors.Is(rerr, os.ErrNotExist) { // of a probe that died
			err = rerr
		}
	}
	if err == nil {
		if err = fs.Link(from, to); err == nil {
			err = fs.Remove(to)
		} else {
			err = fmt.Errorf("they must be on one file system that has hard links: %w", err)
		}
	}
	if err = errors.Join(err, fs.Remove(from)); err != nil {
		return fmt.Errorf("hard link from %s to %s: %w", a, b, err)
	}
	return nil
}
