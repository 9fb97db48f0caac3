package agency

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/stretchr/testify/require"

	"stasis/agency/store"
	"stasis/internal/datadir"
)

// diskLayout is how a data directory keeps Raft's log and votes. The names are a format.
type diskLayout struct {
	kind   string // LogBolt or LogWAL
	log    string
	stable string // "": the log has the votes
}

var (
	boltFiles = diskLayout{kind: store.LogBolt, log: "raft.db"}
	walFiles  = diskLayout{kind: store.LogWAL, log: "raft-log", stable: "raft-stable.db"}
	// walFilesAlone was made by earlier versions.
	walFilesAlone = diskLayout{kind: store.LogWAL, log: "raft-wal"}

	diskLayouts = []diskLayout{boltFiles, walFiles, walFilesAlone}
)

// makeLayout makes an agent's directory in which nothing but the layout is decided, as
// its first start does it, or did in earlier versions.
func makeLayout(t testing.TB, path, id string, l diskLayout) {
	t.Helper()
	dir, err := datadir.Open(vfs.Default, path, datadir.Agent, func() string { return id })
	require.NoError(t, err)
	if l == walFilesAlone {
		require.NoError(t, os.Mkdir(dir.Path(l.log), 0o700))
	}
	require.NoError(t, dir.Close())
	d, err := store.Open(store.Config{ID: id, Dir: path, LogStore: l.kind, Logger: hclog.NewNullLogger()})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	_, err = os.Stat(filepath.Join(path, l.log))
	require.NoError(t, err)
}

// offline opens what an agent that is stopped has of Raft.
func offline(t *testing.T, path string) (*store.Store, func()) {
	t.Helper()
	d, err := store.Open(store.Config{Dir: path, Logger: hclog.NewNullLogger()})
	require.NoError(t, err)
	return d, func() { require.NoError(t, d.Close()) }
}

// names are the files and folders of Raft in a directory, without the snapshots.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "raft*"))
	require.NoError(t, err)
	for _, path := range found {
		all = append(all, filepath.Base(path))
	}
	return all
}

// TestDirectoryKeepsItsLayout: a new directory gets the write-ahead log and its votes
// beside it; every directory goes on with what it was made with, votes included, and is
// refused for the other kind.
func TestDirectoryKeepsItsLayout(t *testing.T) {
	for _, l := range diskLayouts {
		t.Run(l.log, func(t *testing.T) {
			dir := t.TempDir()
			if l != walFiles {
				makeLayout(t, dir, "AGNT-x", l)
			}
			s := alone(t, dir)
			require.Equal(t, `200 {"results":[1]}`, s.post("write", `[[{"x":1}]]`).String())
			s.end()
			want := []string{l.log}
			if l.stable != "" {
				want = append(want, l.stable)
			}
			require.Equal(t, want, names(t, dir))
			files, done := offline(t, dir)
			term, err := files.Stable.GetUint64([]byte("LastVoteTerm"))
			require.NoError(t, err)
			require.Positive(t, term, "it has voted for itself")
			last, err := files.Log.LastIndex()
			require.NoError(t, err)
			require.Greater(t, last, uint64(1))
			done()
			other := map[string]string{store.LogBolt: store.LogWAL, store.LogWAL: store.LogBolt}[l.kind]
			_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, LogStore: other})
			require.ErrorContains(t, err, "has Raft's log as "+l.kind+", not as "+other)
			s = alone(t, dir, func(c *Config) { c.LogStore = l.kind })
			require.Equal(t, `200 [{"x":1}]`, s.post("read", `[["x"]]`).String())
			s.end()
			require.Equal(t, want, names(t, dir))
		})
	}
}

// TestDiesBetweenVotesAndLog: a process that dies while it makes its directory leaves a
// part of it, with which the next start goes on.
func TestDiesBetweenVotesAndLog(t *testing.T) {
	for name, l := range map[string]struct {
		diskLayout
		leave func(t *testing.T, dir string)
	}{
		"the stable store torn": {walFiles, func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, walFiles.stable+".new"), make([]byte, 5000), 0o600))
		}},
		"the stable store alone": {walFiles, func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, walFiles.log)))
		}},
		"the log's folder empty": {walFiles, func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, walFiles.log)))
			require.NoError(t, os.Mkdir(filepath.Join(dir, walFiles.log), 0o700))
		}},
		"the log's meta store torn": {walFiles, func(t *testing.T, dir string) {
			log := filepath.Join(dir, walFiles.log)
			require.NoError(t, os.RemoveAll(log))
			require.NoError(t, os.Mkdir(log, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(log, "wal-meta.db.tmp"), make([]byte, 5000), 0o600))
		}},
		"Bolt torn": {boltFiles, func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, boltFiles.log), filepath.Join(dir, boltFiles.log+".new")))
			require.NoError(t, os.Truncate(filepath.Join(dir, boltFiles.log+".new"), 5000))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			makeLayout(t, dir, "AGNT-x", l.diskLayout)
			l.leave(t, dir)
			kind := l.kind
			if l.diskLayout == walFiles {
				kind = "" // what is there tells
			}
			for range 2 {
				s := alone(t, dir, func(c *Config) { c.LogStore = kind })
				require.Equal(t, 200, s.post("write", `[[{"x":1}]]`).status)
				s.end()
			}
		})
	}
}

// TestLostPartIsRefused: an agent that has lost its votes or its log is not started, and
// one that has two logs is not either.
func TestLostPartIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		harm func(t *testing.T, dir string)
		want string
	}{
		"votes gone": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, walFiles.stable)))
		}, "has lost Raft's votes"},
		"votes empty": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, walFiles.stable)))
			bolt, err := raftboltdb.NewBoltStore(filepath.Join(dir, walFiles.stable))
			require.NoError(t, err)
			require.NoError(t, bolt.Close())
		}, "has lost Raft's votes"},
		"log gone": {func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, walFiles.log)))
		}, "has lost Raft's log"},
		"log's meta store gone": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, walFiles.log, "wal-meta.db")))
		}, "has lost Raft's log"},
		"another log": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, boltFiles.log), nil, 0o600))
		}, "Raft's log more than once"},
		"the log of an earlier version": {func(t *testing.T, dir string) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, walFilesAlone.log), 0o700))
		}, "Raft's log more than once"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := alone(t, dir)
			require.Equal(t, 200, s.post("write", `[[{"x":1}]]`).status)
			s.end()
			row.harm(t, dir)
			for range 2 { // looking has mended nothing
				_, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, Logger: logger(t)})
				require.ErrorContains(t, err, row.want)
				require.ErrorContains(t, err, dir)
			}
		})
	}
}
