package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/internal/datadir"
	"stasis/internal/failpoint"
)

// Names as Raft's own store has them.
const (
	snapshotFolder = "snapshots"
	snapshotTemp   = ".tmp" // at the end of a folder's name until the snapshot is whole
)

const snapshotsKept = 2

// snapshotFolderIn is where the snapshots of a data directory are.
type snapshotFolderIn struct {
	fs   vfs.FS
	path string
}

// tidy removes what crashed attempts have left. At the start no snapshot is being written.
func (s snapshotFolderIn) tidy(logger hclog.Logger) error {
	names, err := s.fs.List(s.path)
	if err != nil || failpoint.Off("snapshots-are-tidied") {
		return err
	}
	var left []string
	for _, name := range names {
		if strings.HasSuffix(name, snapshotTemp) {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		logger.Info("removing snapshots that were never finished", "names", left)
	}
	return s.remove(left...)
}

// remove removes folders, durably: otherwise a power cut could give them back.
func (s snapshotFolderIn) remove(names ...string) error {
	for _, name := range names {
		if err := s.fs.RemoveAll(s.fs.PathJoin(s.path, name)); err != nil {
			return fmt.Errorf("remove snapshot %s: %w", name, err)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return datadir.SyncDir(s.fs, s.path)
}

// drop removes what is there of a snapshot that is not published.
func (s snapshotFolderIn) drop(id string) error {
	if failpoint.Off("failed-snapshot-goes") {
		return nil
	}
	return s.remove(id + snapshotTemp)
}

// tidiedSnapshots is Raft's own store, which leaves some attempts that fail.
type tidiedSnapshots struct {
	raft.SnapshotStore
	folder snapshotFolderIn
}

// openRaftSnapshots opens Raft's own store in a data directory.
func openRaftSnapshots(dir string, logger hclog.Logger) (raft.SnapshotStore, error) {
	own, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, logger)
	if err != nil {
		return nil, err
	}
	s := tidiedSnapshots{own, snapshotFolderIn{vfs.Default, vfs.Default.PathJoin(dir, snapshotFolder)}}
	return s, s.folder.tidy(logger)
}

// Create begins a snapshot. Its parameters are those of raft.SnapshotStore.
func (s tidiedSnapshots) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration, membersIndex uint64, transport raft.Transport) (raft.SnapshotSink, error) {
	sink, err := s.SnapshotStore.Create(version, index, term, members, membersIndex, transport)
	if err != nil {
		return nil, err
	}
	return tidiedSink{sink, s.folder}, nil
}

type tidiedSink struct {
	raft.SnapshotSink
	folder snapshotFolderIn
}

func (s tidiedSink) Close() error {
	err := s.SnapshotSink.Close()
	if err != nil {
		err = errors.Join(err, s.folder.drop(s.ID()))
	}
	return err
}

func (s tidiedSink) Cancel() error {
	return errors.Join(s.SnapshotSink.Cancel(), s.folder.drop(s.ID()))
}
