package agency

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
	"go.etcd.io/bbolt"

	"stasis/internal/datadir"
)

// What keeps Raft's log and votes in a data directory.
const (
	// LogBolt is one file, a B+ tree: two syncs for each entry.
	LogBolt = "bolt"
	// LogWAL is a directory of segments that are only appended to: one sync for
	// each entry.
	LogWAL = "wal"
)

const (
	logFile = "raft.db"
	walDir  = "raft-wal"
	// boltWait bounds the wait for Bolt's own file lock; the directory's lock is ours already.
	boltWait = 5 * time.Second
	// walSegment is allocated at once.
	walSegment = 16 << 20
	// walMaxBody bounds a request's body: the segments hold no entry above 64 MiB,
	// which is noticed only when it is read.
	walMaxBody = 32 << 20
)

// logStore is Raft's log and votes on disk.
type logStore interface {
	raft.LogStore
	raft.StableStore
	io.Closer
}

// openLog opens the log of a data directory, and tells where it is and how large a
// request it takes, if that is bounded.
func openLog(dir *datadir.Dir, kind string, logger hclog.Logger) (log logStore, path string, maxBody int64, err error) {
	if kind, err = kindOfLog(dir, kind); err != nil {
		return nil, "", 0, err
	}
	if kind == LogBolt {
		path = dir.Path(logFile)
		log, err = openBolt(path)
	} else {
		path, maxBody = dir.Path(walDir), walMaxBody
		log, err = openWAL(path, dir.Path("."), logger)
	}
	if err != nil {
		return nil, "", 0, fmt.Errorf("open Raft's log %s: %w", path, err)
	}
	return log, path, maxBody, nil
}

func openBolt(path string) (logStore, error) {
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		// The list of free pages is found again at the start instead of being
		// written with every entry.
		BoltOptions: &bbolt.Options{Timeout: boltWait, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true},
	})
	if err != nil {
		return nil, err
	}
	return struct {
		steppedLog
		raft.StableStore
		io.Closer
	}{steppedLog{bolt}, bolt, bolt}, nil
}

// deletedAtOnce entries are deleted in one step: nothing is appended meanwhile.
const deletedAtOnce = 256

// steppedLog is a log whose compaction is work.
type steppedLog struct{ raft.LogStore }

// DeleteRange deletes old entries in small steps, so that writes do not wait long for a
// compaction. What a leader or a snapshot has replaced is deleted in one step: a part of it
// must not look like a log.
func (l steppedLog) DeleteRange(from, to uint64) error {
	last, err := l.LogStore.LastIndex()
	if err != nil {
		return err
	}
	for ; to < last && to-from >= deletedAtOnce; from += deletedAtOnce {
		if err := l.LogStore.DeleteRange(from, from+deletedAtOnce-1); err != nil {
			return err
		}
	}
	return l.LogStore.DeleteRange(from, to)
}

func openWAL(path, parent string, logger hclog.Logger) (logStore, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	if err := syncPath(parent); err != nil {
		return nil, err
	}
	return wal.Open(path, wal.WithLogger(logger.Named("wal")), wal.WithSegmentSize(walSegment))
}

// kindOfLog is what the directory has, else what is wanted, else Bolt. What it has
// is not changed by wanting something else.
func kindOfLog(dir *datadir.Dir, want string) (string, error) {
	has := ""
	for kind, name := range map[string]string{LogBolt: logFile, LogWAL: walDir} {
		switch _, err := os.Stat(dir.Path(name)); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", fmt.Errorf("look for Raft's log: %w", err)
		case has != "":
			return "", fmt.Errorf("there is Raft's log twice: %s and %s", dir.Path(logFile), dir.Path(walDir))
		default:
			has = kind
		}
	}
	switch {
	case want != "" && has != "" && want != has:
		return "", fmt.Errorf("the data directory has Raft's log as %s, not as %s: for another log the agent starts with an empty directory, and gets everything from the others", has, want)
	case has != "":
		return has, nil
	case want == "":
		return LogBolt, nil
	}
	return want, nil
}
