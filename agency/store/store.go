// Package store is what an agent keeps on its disk: Raft's log, term and vote, the snapshots of the
// key tree, and a few notes beside them.
//
// Open checks everything before it is used: whose directory it is, that no part of it is missing,
// and that log and snapshots fit together (see reconcile). What Raft writes later goes through
// wrappers that
//
//   - count the calls that have not returned, so that a disk that hangs is noticed (Calls),
//   - serve the newest entries of the log to followers from memory,
//   - read every snapshot that another agent sends before it counts,
//   - report a log that takes no entries any more (Store.Dead).
//
// Everything can be kept on a file system that is passed in (Config.FS), which may be in memory, and may
// fail, hang, and lose what was not synced. It keeps its content when the agent stops.
//
// After a crash, Open finds what Raft had acknowledged. The package knows nothing of the tree except
// how its snapshots are read, and nothing of the network.
package store

import (
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/agency/note"
	"stasis/internal/datadir"
)

// Store is what an agent keeps, opened. One agent at a time has it open.
type Store struct {
	ID        string // of the agent
	Log       raft.LogStore
	Stable    raft.StableStore // term and vote
	Snapshots raft.SnapshotStore
	Notes     note.Store
	Calls     *Calls // to the four above
	// Dead receives an error when the log takes no entry any more until it is opened again, or Raft's term could not be
	// written: the agent has to end.
	Dead chan error
	// MaxBody bounds a request's body, in bytes. 0: the log sets no bound.
	MaxBody int64
	// MaxEntry bounds what an entry of the log carries, in bytes. 0: the log sets no bound.
	MaxEntry int

	dir     string
	release func() error
}

// Config says what to open.
type Config struct {
	// ID is the agent's id. Empty: the id that the directory has, or a new one.
	ID string
	// Dir is the data directory.
	Dir string
	// FS is the file system that Dir is on. nil: the operating system's, where Raft's votes are in Bolt's file.
	// Otherwise a new directory keeps nothing in Bolt's files, and all its calls go through FS. In a directory that was
	// made without FS the calls to Bolt's files do not: they are raft-stable.db, the list of segments, and raft.db.
	FS vfs.FS
	// LogStore is what keeps Raft's log in a new Dir: LogBolt or LogWAL. Empty: LogWAL. A
	// directory that has a log of the other kind is refused.
	LogStore string
	Logger   hclog.Logger
}

// Open opens what an agent keeps. It fails if it belongs to another agent than Config.ID, if
// another process has it open, or if a part of it is missing or damaged.
func Open(c Config) (*Store, error) {
	newID := func() string {
		if c.ID != "" {
			return c.ID
		}
		return datadir.Agent.NewID()
	}
	s, err := openDirectory(c, newID)
	if err != nil {
		return nil, err
	}
	if c.ID != "" && s.ID != c.ID {
		err := fmt.Errorf("data directory %s belongs to agent %s, not %s", c.Dir, s.ID, c.ID)
		return nil, errors.Join(err, s.Close())
	}
	s.wrap()
	return s, nil
}

func openDirectory(c Config, newID func() string) (*Store, error) {
	p := newPlace(c.FS)
	dir, err := datadir.Open(p.fs, c.Dir, datadir.Agent, newID)
	if err != nil {
		return nil, err
	}
	snapshots, err := openSnapshots(p, c)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open snapshots in %s: %w", c.Dir, err), dir.Close())
	}
	files, err := openLog(p, dir, c.LogStore, c.Logger)
	if errors.Is(err, errDamaged) {
		err = untrusted(c.Dir, err)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	if err := reconcile(files.log, snapshots, c.Logger); err != nil {
		return nil, errors.Join(untrusted(c.Dir, fmt.Errorf("%s: %w", files.path, err)), files.close(), dir.Close())
	}
	return &Store{
		ID:        dir.ID(),
		Log:       files.log,
		Stable:    files.stable,
		Snapshots: snapshots,
		Notes:     dir,
		MaxBody:   files.maxBody,
		MaxEntry:  files.maxEntry,
		dir:       c.Dir,
		release:   func() error { return errors.Join(files.close(), dir.Close()) },
	}, nil
}

func openSnapshots(p place, c Config) (raft.SnapshotStore, error) {
	logger := c.Logger.Named("snapshots")
	if p.given {
		return openSnapshotFiles(p.fs, c.Dir, logger)
	}
	return openRaftSnapshots(c.Dir, logger)
}

// wrap puts the wrappers around what Raft calls.
func (s *Store) wrap() {
	s.Calls, s.Dead = newCalls(), make(chan error, 1)
	state := &state{dead: func(err error) {
		select {
		case s.Dead <- err:
		default: // the first reason counts
		}
	}}
	s.Log = &cachedLog{LogStore: contiguousLog{watchedLog{s.Log, s.Calls, state}}}
	s.Stable = watchedStable{s.Stable, s.Calls, state}
	s.Snapshots = snapshots{s.Snapshots, s.Calls}
	s.Notes = watchedNotes{s.Notes, s.Calls}
}

// Close releases the directory. The Store must not be used afterwards.
func (s *Store) Close() error { return s.release() }

// Untrusted wraps an error about the content of the disk. It adds what the operator can do.
func (s *Store) Untrusted(err error) error { return untrusted(s.dir, err) }

func untrusted(dir string, err error) error {
	where := "its directory " + dir
	return fmt.Errorf("%w. This agent cannot be trusted with it: as long as a majority of the others is whole, "+
		"delete %s and start it again with the same flags, it gets everything from them. If they are no majority, "+
		"run \"stasis agency recover\" on the directory of one that is whole. If none is, keep the directories, "+
		"and restore a snapshot file into an empty one with \"stasis agency snapshot restore\"", err, where)
}

// Pristine reports whether there is neither a log nor a snapshot.
func (s *Store) Pristine() (bool, error) {
	last, err := s.Log.LastIndex()
	if err != nil {
		return false, fmt.Errorf("read the end of Raft's log: %w", err)
	}
	list, err := s.Snapshots.List()
	if err != nil {
		return false, fmt.Errorf("list snapshots: %w", err)
	}
	return last == 0 && len(list) == 0, nil
}

// Bootstrap writes the first Raft configuration of an agency to a pristine disk. Raft writes the
// term and then the log. If a process died between these two writes, the disk has a term and
// nothing else, and Bootstrap writes the log entry alone.
func (s *Store) Bootstrap(c *raft.Config, t raft.Transport, members raft.Configuration) error {
	err := raft.BootstrapCluster(c, s.Log, s.Stable, s.Snapshots, t, members)
	if errors.Is(err, raft.ErrCantBootstrap) {
		err = s.Log.StoreLog(&raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(members)})
	}
	if err != nil {
		return fmt.Errorf("bootstrap Raft: %w", err)
	}
	return nil
}

// CheckEmpty refuses a directory that has anything in it. A directory that does not exist is empty. fs is as in Config.
func CheckEmpty(fs vfs.FS, dir string) error {
	list, err := newPlace(fs).fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	for _, name := range list {
		if name != "lost+found" {
			return fmt.Errorf("%s is not empty: it has %q. A snapshot is restored into an empty directory", dir, name)
		}
	}
	return nil
}
