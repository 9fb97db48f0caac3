package store

import (
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	wal "github.com/hashicorp/raft-wal"
)

const (
	// walMaxBody bounds a request's body. The segments hold no entry above 64 MiB, which raft-wal
	// notices only when it reads the entry. An entry is its request and a few bytes.
	walMaxBody = 63 << 20
	// walMaxEntry leaves room for what an entry has beside what it carries.
	walMaxEntry = 64<<20 - 64<<10
)

// openWAL opens a write-ahead log. raft-wal makes its meta store whole or not at all, and takes a
// directory without one for a new log.
func openWAL(path string, logger hclog.Logger) (*wal.WAL, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	if err := syncPath(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := finishRotation(path); err != nil {
		return nil, err
	}
	return wal.Open(path, wal.WithLogger(logger.Named("wal")), wal.WithSegmentSize(walSegment))
}
