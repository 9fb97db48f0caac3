package backup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup/piece"
	"stasis/dbserver/engine"
	"stasis/dbserver/engine/sums"
)

// readsFS counts which pieces' tables are opened to be read from one end to the other.
type readsFS struct {
	vfs.FS
	mu     sync.Mutex
	tables []string
}

func (f *readsFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if engine.IsImmutable(name) && strings.Contains(name, piece.SuffixPending) && slices.Contains(opts, vfs.SequentialReadsOption) {
		f.mu.Lock()
		f.tables = append(f.tables, f.PathBase(name))
		f.mu.Unlock()
	}
	return f.FS.Open(name, opts...)
}

func (f *readsFS) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	read := f.tables
	f.tables = nil
	return read
}

func manifestOf(t testing.TB, s *Store, id string) piece.Manifest {
	t.Helper()
	var m piece.Manifest
	require.NoError(t, s.Published.disk.ReadJSON(s.Published.disk.PathJoin(s.Published.publishedPath(id), piece.FileManifest), &m))
	return m
}

// forgetSums makes the engine one that does not know the sums of its tables: of an earlier version, or
// after a crash.
func (s *server) forgetSums() {
	s.t.Helper()
	s.close()
	require.NoError(s.t, piece.IgnoreMissing(s.fs.Remove("data/engine/"+sums.File)))
	s.openEngine()
}

// requireManifest compares a piece's manifest with its files, and counts the tables.
func requireManifest(t testing.TB, s *Store, id string) (tables int) {
	t.Helper()
	for _, f := range manifestOf(t, s, id).Files {
		path := s.Published.disk.PathJoin(s.Published.publishedPath(id), piece.DirEngine, f.Name)
		sum, err := piece.Hash(t.Context(), s.Published.disk, path)
		require.NoError(t, err)
		require.Equal(t, sum, f.SHA256, f.Name)
		info, err := s.Published.disk.Stat(path)
		require.NoError(t, err)
		require.Equal(t, info.Size(), f.Size, f.Name)
		if engine.IsImmutable(f.Name) {
			tables++
		}
	}
	return tables
}

// A backup reads no table whose sum is known: of what was written in this process and in an earlier one,
// and of what a restore has put in place.
func TestLinkReadsNoTable(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := &readsFS{FS: vfs.Default}
	s := newServer(t, disk)
	s.put(0, 600)
	require.NoError(t, s.e.PrepareCut(t.Context()))
	s.publish(testID, "n1")
	require.Empty(t, disk.take(), "tables that this process has written")
	require.Positive(t, requireManifest(t, s.store, testID))
	requireIntact(t, s.store, testID)

	s.close()
	s.openEngine()
	s.put(600, 900)
	disk.take()
	s.publish("second", "n2")
	require.Empty(t, disk.take(), "tables of an earlier process")
	require.Positive(t, requireManifest(t, s.store, "second"))

	require.NoError(t, s.store.Restores.Stage(t.Context(), stageRequest(4)))
	s.close()
	_, err := s.store.Restores.FinishSwap(4, "restore")
	require.NoError(t, err)
	require.NoError(t, s.store.Published.Delete(testID))
	require.NoError(t, s.store.Published.Delete("second"))
	s.openEngine()
	s.put(900, 1000)
	disk.take()
	s.publish("third", "n3")
	require.Empty(t, disk.take(), "tables of a restore")
	require.Positive(t, requireManifest(t, s.store, "third"))
	requireIntact(t, s.store, "third")
	requireIntact(t, s.store, failsafeID)
}

// A table that an earlier backup has hashed is not read again; one that only has
// its name, or another content, is.
func TestTablesAreHashedOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := &readsFS{FS: vfs.Default}
	s := newServer(t, disk)
	s.put(0, 600)
	require.NoError(t, s.e.PrepareCut(t.Context()))
	s.forgetSums()
	s.publish("first", "n1")
	first := disk.take()
	require.NotEmpty(t, first)

	s.put(600, 900)
	require.NoError(t, s.e.PrepareCut(t.Context()))
	s.forgetSums()
	s.publish("second", "n2")
	second := disk.take()
	require.NotEmpty(t, second, "the new tables")
	for _, name := range second {
		require.NotContains(t, first, name, "hashed before")
	}
	// What was taken over is what reading would have given.
	require.Positive(t, requireManifest(t, s.store, "second"))
	disk.take()

	// A copy of the same name and size is another file.
	for _, id := range []string{"first", "second"} {
		tables, err := filepath.Glob(filepath.Join("data/backups", id, "engine", "*.sst"))
		require.NoError(t, err)
		for _, path := range tables {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			content[len(content)/2] ^= 1
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}
	}
	s.forgetSums()
	s.publish("third", "n3")
	require.NotEmpty(t, disk.take())
	requireIntact(t, s.store, "third")
}

// A manifest that is not the one that was made is not believed.
func TestHashesOfADamagedManifestAreNotTaken(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := &readsFS{FS: vfs.Default}
	s := newServer(t, disk)
	s.put(0, 600)
	s.publish("first", "n1")
	require.NotEmpty(t, s.store.Published.knownHashes(disk))
	path := "data/backups/first/" + piece.FileManifest
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(raw, '\n'), 0o600))
	require.Empty(t, s.store.Published.knownHashes(disk))
}

// A table that rots after it was written, and before the backup, has the hash of its right content in the
// manifest: whoever reads the piece finds the damage, and a restore refuses it.
func TestTableThatRotsBeforeTheBackup(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newServer(t, vfs.Default)
	s.put(0, 600)
	require.NoError(t, s.e.PrepareCut(t.Context()))
	tables, err := filepath.Glob("data/engine/*.sst")
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	name := filepath.Base(tables[0])
	file, err := os.OpenFile(tables[0], os.O_RDWR, 0)
	require.NoError(t, err)
	one := make([]byte, 1)
	_, err = file.ReadAt(one, 100)
	require.NoError(t, err)
	_, err = file.WriteAt([]byte{one[0] ^ 1}, 100)
	require.NoError(t, err)
	require.NoError(t, file.Close())

	s.publish(testID, "n")
	v, err := s.store.Published.Verify(t.Context(), testID)
	require.NoError(t, err)
	require.Contains(t, v.Problems, "engine/"+name+": content changed", "damage is certified")
	require.ErrorContains(t, s.store.Restores.Stage(t.Context(), stageRequest(4)), strings.TrimSuffix(name, ".sst"))
	require.NoFileExists(t, "data/engine.restore-4")
}
