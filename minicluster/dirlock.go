package minicluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/datadir"
)

const lockFile = "cluster.lock"

// lockDir makes the cluster's directory, if need be, and keeps other processes out of it
// until release is called. A start that cannot succeed must not change what is there.
func lockDir(o Options) (release func() error, err error) {
	if o.Dir == "" {
		return func() error { return nil }, nil
	}
	switch id, err := datadir.Owner(vfs.Default, o.Dir); {
	case err != nil:
		return nil, err
	case id != "":
		return nil, fmt.Errorf("%s is the data directory of the server %s, not of a cluster", o.Dir, id)
	}
	if err := refuseForeign(o.Dir); err != nil {
		return nil, err
	}
	sub := ""
	if o.Mode == Processes {
		sub = logsDir
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, sub), 0o700); err != nil {
		return nil, fmt.Errorf("make the cluster's directory: %w", err)
	}
	lock, err := datadir.Lock(vfs.Default, o.Dir, lockFile)
	if err != nil {
		return nil, err
	}
	return sync.OnceValue(lock.Close), nil
}

// refuseForeign is an error if the directory holds anything and is no cluster's: the cluster's
// files would mix with the others.
func refuseForeign(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the cluster's directory: %w", err)
	}
	// A start that died before the layout was written leaves the first three; the last
	// is in every file system of its own.
	ours := []string{lockFile, logsDir, layoutFile + ".tmp", "lost+found"}
	foreign := ""
	for _, e := range entries {
		switch {
		case e.Name() == layoutFile:
			return nil
		case !slices.Contains(ours, e.Name()):
			foreign = e.Name()
		}
	}
	if foreign != "" {
		return fmt.Errorf("%s is not a cluster's directory: it has no file %s but holds %q; name an empty or a new one", dir, layoutFile, foreign)
	}
	return nil
}
