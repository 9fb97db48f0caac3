package store

import (
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"stasis/internal/datadir"
)

// raftFiles are the files that a data directory keeps for Raft beside the snapshots.
type raftFiles struct {
	log      raft.LogStore
	stable   raft.StableStore // term and vote
	path     string           // of the log
	maxBody  int64            // see Store
	maxEntry int              // see Store
	close    func() error
}

// openLog opens Raft's log and stable store. If the directory has none (see findLayout), it makes
// them, of the kind that is asked for: LogWAL if kind is empty.
func openLog(p place, dir *datadir.Dir, kind string, logger hclog.Logger) (raftFiles, error) {
	l, err := chooseLayout(p, dir, kind)
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
		var log *orderedLog
		if log, err = walOf(p, dir, l, logger).open(); err == nil {
			files.log, files.stable, files.close, files.maxBody, files.maxEntry = log, log, log.Close, walMaxBody, walMaxEntry
		}
	default:
		return openWALAndStable(p, dir, l, logger)
	}
	if err != nil {
		return raftFiles{}, fmt.Errorf("open Raft's log %s: %w", files.path, err)
	}
	return files, nil
}

// openWALAndStable opens a write-ahead log and the votes beside it.
//
// A new directory gets the stable store first, whole and durable, and then the log. Raft writes to
// neither before both exist, and it writes its term before its first entry. So a process that dies
// in between leaves a stable store without a term. If anything else is missing, it was there and
// was lost. Such a directory is refused: an agent that goes on without its votes, or without the
// entries that it has acknowledged, could elect a leader that lacks some.
func openWALAndStable(p place, dir *datadir.Dir, l layout, logger hclog.Logger) (raftFiles, error) {
	stablePath, logPath := dir.Path(l.stable), dir.Path(l.log)
	has, err := l.look(p.fs, dir)
	if err != nil {
		return raftFiles{}, err
	}
	if has.log && !has.stable {
		return raftFiles{}, missing(stablePath, "votes")
	}
	stable, err := openStable(dir, l)
	if err != nil {
		return raftFiles{}, fmt.Errorf("open Raft's votes %s: %w", stablePath, err)
	}
	log, err := openLogBeside(stable, stablePath, walOf(p, dir, l, logger))
	if err != nil {
		return raftFiles{}, errors.Join(err, stable.Close())
	}
	return raftFiles{
		log: log, stable: stable, path: logPath, maxBody: walMaxBody, maxEntry: walMaxEntry,
		close: func() error { return errors.Join(log.Close(), stable.Close()) },
	}, nil
}

// stableStore is what Raft's stable values are kept in.
type stableStore interface {
	raft.StableStore
	Close() error
}

func openStable(dir *datadir.Dir, l layout) (stableStore, error) {
	if l.files {
		return openStableFile(dir, l.stable)
	}
	return openBolt(dir.Path(l.stable))
}

// openLogBeside opens the write-ahead log that belongs to a stable store, and checks that neither
// has lost what the other one implies.
func openLogBeside(stable raft.StableStore, stablePath string, files walFiles) (*orderedLog, error) {
	term, err := readTerm(stable)
	if err != nil {
		return nil, fmt.Errorf("read Raft's term in %s: %w", stablePath, err)
	}
	begun, err := files.begun()
	if err != nil {
		return nil, err
	}
	if term > 0 && !begun {
		return nil, missing(files.dir, "log")
	}
	log, err := files.open()
	if err != nil {
		return nil, fmt.Errorf("open Raft's log %s: %w", files.dir, err)
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

// missing is the error for a directory that has lost a part.
func missing(path, what string) error {
	return fmt.Errorf("the data directory has lost Raft's %s, %s. This agent cannot be trusted without: put it back, or, "+
		"as long as a majority of the others is whole, delete the agent's directory and start it again, it gets everything from them", what, path)
}
