package agency

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"go.etcd.io/bbolt"

	"stasis/internal/datadir"
)

const (
	// boltWait bounds the wait for Bolt's own file lock; the directory's lock is ours already.
	boltWait = 5 * time.Second
	// walSegment is allocated at once.
	walSegment = 16 << 20
	// walMaxBody bounds a request's body: the segments hold no entry above 64 MiB,
	// which is noticed only when it is read. An entry is its request and a few bytes.
	walMaxBody = 63 << 20
	// walMaxEntry leaves room for what an entry has beside what it carries.
	walMaxEntry = 64<<20 - 64<<10
)

// raftFiles is what a data directory keeps of Raft beside the snapshots.
type raftFiles struct {
	log      raft.LogStore
	stable   raft.StableStore // term and vote
	path     string           // of the log
	maxBody  int64            // bounds a request's body; 0: it does not
	maxEntry int              // bounds what an entry carries; 0: it does not
	close    func() error
}

// openLog opens Raft's log and stable store in a data directory, and makes them if it
// has none (see findLayout): of the kind that is asked for, LogWAL if none is.
func openLog(dir *datadir.Dir, kind string, logger hclog.Logger) (raftFiles, error) {
	l, err := chooseLayout(dir, kind)
	if err != nil {
		return raftFiles{}, err
	}
	files := raftFiles{path: dir.Path(l.log)}
	switch {
	case l.kind == LogBolt:
		var bolt *raftboltdb.BoltStore
		if bolt, err = openBolt(files.path); err == nil {
			files.log, files.stable, files.close = steppedLog{bolt}, bolt, bolt.Close
		}
	case l.stable == "":
		var log *wal.WAL
		if log, err = openWAL(files.path, logger); err == nil {
			files.log, files.stable, files.close, files.maxBody, files.maxEntry = log, log, log.Close, walMaxBody, walMaxEntry
		}
	default:
		return openWALAndStable(dir, l, logger)
	}
	if err != nil {
		return raftFiles{}, fmt.Errorf("open Raft's log %s: %w", files.path, err)
	}
	return files, nil
}

// openWALAndStable opens a write-ahead log and the votes beside it.
//
// A new directory gets the stable store first, whole and durable, and then the log. Raft
// writes to neither before both are there, and its term before its first entry. So a
// process that dies in between leaves a stable store without a term, and everything
// else that is missing was taken away: an agent that goes on without its votes, or without
// the entries that it has acknowledged, could elect a leader that lacks some.
func openWALAndStable(dir *datadir.Dir, l layout, logger hclog.Logger) (raftFiles, error) {
	stablePath, logPath := dir.Path(l.stable), dir.Path(l.log)
	p, err := l.look(dir)
	if err != nil {
		return raftFiles{}, err
	}
	if p.log && !p.stable {
		return raftFiles{}, missing(stablePath, "votes")
	}
	stable, err := openBolt(stablePath)
	if err != nil {
		return raftFiles{}, fmt.Errorf("open Raft's votes %s: %w", stablePath, err)
	}
	log, err := openLogBeside(stable, stablePath, logPath, logger)
	if err != nil {
		return raftFiles{}, errors.Join(err, stable.Close())
	}
	return raftFiles{
		log: log, stable: stable, path: logPath, maxBody: walMaxBody, maxEntry: walMaxEntry,
		close: func() error { return errors.Join(log.Close(), stable.Close()) },
	}, nil
}

// openLogBeside opens the write-ahead log that belongs to a stable store.
func openLogBeside(stable *raftboltdb.BoltStore, stablePath, logPath string, logger hclog.Logger) (*wal.WAL, error) {
	term, err := readTerm(stable)
	if err != nil {
		return nil, fmt.Errorf("read Raft's term in %s: %w", stablePath, err)
	}
	begun, err := exists(filepath.Join(logPath, metadb.FileName))
	if err != nil {
		return nil, err
	}
	if term > 0 && !begun {
		return nil, missing(logPath, "log")
	}
	log, err := openWAL(logPath, logger)
	if err != nil {
		return nil, fmt.Errorf("open Raft's log %s: %w", logPath, err)
	}
	last, err := log.LastIndex()
	if err == nil && last > 0 && term == 0 {
		err = missing(stablePath, "votes")
	}
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// readTerm is the newest term that Raft knew, 0 if it never began. What Bolt finds
// wrong with its own pages is a panic of it.
func readTerm(stable raft.StableStore) (term uint64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is damaged: %v", p)
		}
	}()
	term, err = stable.GetUint64([]byte("CurrentTerm"))
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return 0, nil
	}
	return term, err
}

// missing is the error of a directory that has lost a part.
func missing(path, what string) error {
	return fmt.Errorf("the data directory has lost Raft's %s, %s. This agent cannot be trusted without: put it back, or, "+
		"as long as a majority of the others is whole, delete the agent's directory and start it again, it gets everything from them", what, path)
}

// openBolt opens a Bolt store; a new one appears whole or not at all.
func openBolt(path string) (*raftboltdb.BoltStore, error) {
	open := func(path string) (*raftboltdb.BoltStore, error) {
		return raftboltdb.New(raftboltdb.Options{
			Path: path,
			// The list of free pages is found again at the start instead of being
			// written with every entry.
			BoltOptions: &bbolt.Options{Timeout: boltWait, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true},
		})
	}
	if there, err := exists(path); err != nil {
		return nil, err
	} else if there {
		return open(path)
	}
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) { // of a start that died
		return nil, err
	}
	store, err := open(temp)
	if err == nil {
		err = errors.Join(store.Sync(), store.Close())
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err == nil {
		err = syncPath(filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	return open(path)
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

// openWAL opens a write-ahead log. It makes its meta store whole or not at all, and
// takes a directory without one for a new log.
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
