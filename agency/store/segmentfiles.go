package store

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft-wal/types"

	"stasis/internal/datadir"
)

// segmentFiles is a file system as raft-wal uses it for its segments. Files are not allocated ahead: they grow.
type segmentFiles struct{ fs vfs.FS }

func (s segmentFiles) ListDir(dir string) ([]string, error) {
	names, err := s.fs.List(dir)
	slices.Sort(names)
	return names, err
}

// Create makes a file that must not exist yet.
func (s segmentFiles) Create(dir, name string, _ uint64) (types.WritableFile, error) {
	path := s.fs.PathJoin(dir, name)
	switch there, err := exists(s.fs, path); {
	case err != nil:
		return nil, err
	case there:
		return nil, fmt.Errorf("create %s: %w", path, os.ErrExist)
	}
	f, err := s.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &segmentFile{File: f, fs: s.fs, dir: dir}, nil
}

func (s segmentFiles) Delete(dir, name string) error {
	if err := s.fs.Remove(s.fs.PathJoin(dir, name)); err != nil {
		return err
	}
	return datadir.SyncDir(s.fs, dir)
}

func (s segmentFiles) OpenReader(dir, name string) (types.ReadableFile, error) {
	return s.fs.Open(s.fs.PathJoin(dir, name))
}

// OpenWriter opens a file that exists. Its entry in the folder is synced with its first sync: the process
// that made the file may have died before.
func (s segmentFiles) OpenWriter(dir, name string) (types.WritableFile, error) {
	path := s.fs.PathJoin(dir, name)
	switch there, err := exists(s.fs, path); {
	case err != nil:
		return nil, err
	case !there:
		return nil, fmt.Errorf("open %s: %w", path, os.ErrNotExist)
	}
	f, err := s.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &segmentFile{File: f, fs: s.fs, dir: dir}, nil
}

// segmentFile is a segment that is written.
type segmentFile struct {
	vfs.File
	fs     vfs.FS
	dir    string
	listed atomic.Bool // its entry in the folder is durable
}

// Sync syncs the file and, until that has succeeded once, its folder.
func (f *segmentFile) Sync() error {
	if err := f.File.Sync(); err != nil || f.listed.Load() {
		return err
	}
	if err := datadir.SyncDir(f.fs, f.dir); err != nil {
		return err
	}
	f.listed.Store(true)
	return nil
}
