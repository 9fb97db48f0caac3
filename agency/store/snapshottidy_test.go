package store

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/internal/datadir"
)

// begun begins a snapshot with some content.
func begun(t *testing.T, s raft.SnapshotStore, index uint64) raft.SnapshotSink {
	t.Helper()
	_, transport := raft.NewInmemTransport("a")
	t.Cleanup(func() { require.NoError(t, transport.Close()) })
	sink, err := s.Create(raft.SnapshotVersionMax, index, 1, raft.Configuration{}, 1, transport)
	require.NoError(t, err)
	_, err = sink.Write([]byte("state"))
	require.NoError(t, err)
	return sink
}

func indexes(t *testing.T, s raft.SnapshotStore) (all []uint64) {
	t.Helper()
	list, err := s.List()
	require.NoError(t, err)
	for _, m := range list {
		all = append(all, m.Index)
	}
	return all
}

func unfinished(t *testing.T, fs vfs.FS, dir string) (left []string) {
	t.Helper()
	names, err := fs.List(fs.PathJoin(dir, snapshotFolder))
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, snapshotTemp) {
			left = append(left, name)
		}
	}
	return left
}

// What a crashed attempt has left is gone after the start, also after a power cut, and the snapshots stay. So it is with
// both kinds of store.
func TestSnapshotsOfACrashAreRemovedAtTheStart(t *testing.T) {
	given, dir := vfs.NewCrashableMem(), t.TempDir()
	require.NoError(t, given.MkdirAll("/agent", 0o755))
	require.NoError(t, datadir.SyncDir(given, "/"))
	for name, open := range map[string]func() (raft.SnapshotStore, vfs.FS, string, error){
		"Raft's own": func() (raft.SnapshotStore, vfs.FS, string, error) {
			s, err := openRaftSnapshots(dir, hclog.NewNullLogger())
			return s, vfs.Default, dir, err
		},
		"on a given file system": func() (raft.SnapshotStore, vfs.FS, string, error) {
			s, err := openSnapshotFiles(given, "/agent", hclog.NewNullLogger())
			return s, given, "/agent", err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, fs, at, err := open()
			require.NoError(t, err)
			require.NoError(t, begun(t, s, 5).Close())
			crashed := begun(t, s, 9) // the process dies here
			require.Len(t, unfinished(t, fs, at), 1)
			s, _, _, err = open()
			require.NoError(t, err)
			require.Empty(t, unfinished(t, fs, at), "an unfinished snapshot stays for ever")
			if fs == given {
				require.Empty(t, unfinished(t, given.CrashClone(vfs.CrashCloneCfg{}), at), "a power cut gives it back")
			}
			require.Equal(t, []uint64{5}, indexes(t, s))
			_ = crashed.Cancel() // only to close its file: the process is dead
		})
	}
}

// An attempt that fails leaves nothing, wherever it fails.
func TestSnapshotThatFailsLeavesNothing(t *testing.T) {
	for _, fails := range []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileSync, errorfs.OpRename} {
		for _, meta := range []bool{false, true} {
			var broken, met atomic.Bool
			mem := vfs.NewMem()
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if broken.Load() && op.Kind == fails && strings.HasSuffix(op.Path, snapshotMeta) == meta {
					met.Store(true)
					return errors.New("the disk says no")
				}
				return nil
			}))
			s, err := openSnapshotFiles(fs, "agent", hclog.NewNullLogger())
			require.NoError(t, err)
			require.NoError(t, begun(t, s, 5).Close())
			broken.Store(true)
			sink, err := s.Create(raft.SnapshotVersionMax, 9, 1, raft.Configuration{}, 1, nil)
			if err == nil {
				_, err = sink.Write([]byte("state"))
				require.NoError(t, err)
				err = sink.Close()
			}
			broken.Store(false)
			if !met.Load() {
				continue // the two do not go together
			}
			require.ErrorContains(t, err, "the disk says no")
			require.Empty(t, unfinished(t, mem, "agent"), "a failed snapshot stays")
			require.Equal(t, []uint64{5}, indexes(t, s))
		}
	}
}

// Raft's own store leaves a folder when it cannot give it its name.
func TestSnapshotThatRaftsOwnStoreLeavesIsRemoved(t *testing.T) {
	dir := t.TempDir()
	s, err := openRaftSnapshots(dir, hclog.NewNullLogger())
	require.NoError(t, err)
	sink := begun(t, snapshots{s, newCalls()}, 9)
	name := filepath.Join(dir, snapshotFolder, sink.ID())
	require.NoError(t, vfs.Default.MkdirAll(filepath.Join(name, "taken"), 0o755)) // its name
	require.Error(t, sink.Close())
	require.Empty(t, unfinished(t, vfs.Default, dir), "a failed snapshot stays")
}
