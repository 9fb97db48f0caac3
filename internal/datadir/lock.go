package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrInUse is returned when another process has the directory.
var ErrInUse = errors.New("in use by another process")

// Lock keeps dir for this process, by a lock on the file name in it, until the lock is
// closed or the process ends. It returns [ErrInUse] if another process has the lock.
func Lock(fs vfs.FS, dir, name string) (io.Closer, error) {
	lock, err := fs.Lock(fs.PathJoin(dir, name))
	if err != nil {
		return nil, lockError(dir, name, err)
	}
	return lock, nil
}

// lockError tells a lock that is held from one that cannot be tried. An error of opening
// the lock file has a path, one of locking it is a bare number. Within one process vfs
// returns only a text.
func lockError(dir, name string, err error) error {
	var path *os.PathError
	held := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "lock held")
	if errors.As(err, &path) || !held {
		return fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	return fmt.Errorf("data directory %s is %w (%s: %v)", dir, ErrInUse, name, err)
}
