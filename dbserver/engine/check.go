package engine

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// checkCacheBytes is the block cache of a check: what it reads, it reads once.
const checkCacheBytes = 8 << 20

// Check says whether the engine in dir opens, with its logs replayed, and whether its
// tables are in order and match their checksums. It changes nothing in dir. No other
// process or engine may have dir open for writing.
func Check(fs vfs.FS, dir string) error {
	e, err := Open(dir, Options{FS: fs, ReadOnly: true, CacheBytes: checkCacheBytes})
	if err != nil {
		return err
	}
	check := e.fail.guard(func() error { return e.db.CheckLevels(nil) })
	if check == nil {
		check = checkTables(fs, dir)
	}
	if err := errors.Join(check, e.Close()); err != nil {
		return &DirError{"check", dir, translate(err)}
	}
	return nil
}

func checkTables(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if n := len(name); n < 4 || name[n-4:] != ".sst" {
			continue
		}
		if err := checkBlocks(fs, fs.PathJoin(dir, name)); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}
