package store

import (
	wal "github.com/hashicorp/raft-wal"

	"stasis/internal/datadir"
)

// open opens the log. raft-wal makes its list of segments whole or not at all, and takes a
// directory without one for a new log.
func (w walFiles) open() (*orderedLog, error) {
	if err := w.fs.MkdirAll(w.dir, 0o700); err != nil {
		return nil, err
	}
	if err := datadir.SyncDir(w.fs, w.fs.PathDir(w.dir)); err != nil {
		return nil, err
	}
	if err := w.finishRotation(); err != nil {
		return nil, err
	}
	r := &rotation{}
	log, err := wal.Open(w.dir, wal.WithLogger(w.logger.Named("wal")), wal.WithSegmentSize(w.size),
		wal.WithSegmentFiler(rotatedFiles{w.segments, r}), wal.WithMetaStore(rotatedList{w.list(), r}))
	if err != nil {
		return nil, err
	}
	return newOrderedLog(log, r), nil
}
