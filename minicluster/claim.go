package minicluster

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/datadir"
)

const lockFile = "cluster.lock"

// claim makes the cluster's directory, if need be, and keeps other processes off it
// until release: a start that cannot succeed must not change what is there.
func claim(o Options) (release func() error, err error) {
	if o.Dir == "" {
		return func() error { return nil }, nil
	}
	switch id, err := datadir.Owner(vfs.Default, o.Dir); {
	case err != nil:
		return nil, err
	case id != "":
		return nil, fmt.Errorf("%s is the data directory of the server %s, not of a cluster", o.Dir, id)
	}
	sub := ""
	if o.Mode == Processes {
		sub = logsDir
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, sub), 0o750); err != nil {
		return nil, fmt.Errorf("make the cluster's directory: %w", err)
	}
	lock, err := datadir.Lock(vfs.Default, o.Dir, lockFile)
	if err != nil {
		return nil, err
	}
	return sync.OnceValue(lock.Close), nil
}
