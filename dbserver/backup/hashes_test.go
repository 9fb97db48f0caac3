package backup

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup/piece"
	"stasis/dbserver/engine"
)

// readsFS counts which pieces' tables are opened.
type readsFS struct {
	vfs.FS
	mu     sync.Mutex
	tables []string
}

func (f *readsFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if engine.IsImmutable(name) && strings.Contains(name, piece.SuffixPending) {
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

// A table that an earlier backup has hashed is not read again; one that only has
// its name, or another content, is.
func TestTablesAreHashedOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := &readsFS{FS: vfs.Default}
	s := newServer(t, disk)
	s.put(0, 600)
	require.NoError(t, s.e.PrepareCut(t.Context()))
	s.publish("first", "n1")
	first := disk.take()
	require.NotEmpty(t, first)

	s.put(600, 900)
	s.publish("second", "n2")
	second := disk.take()
	require.NotEmpty(t, second, "the new tables")
	for _, name := range second {
		require.NotContains(t, first, name, "hashed before")
	}
	// What was taken over is what reading would have given.
	for _, f := range manifestOf(t, s.store, "second").Files {
		sum, err := piece.Hash(t.Context(), disk, disk.PathJoin(s.store.Published.publishedPath("second"), piece.DirEngine, f.Name))
		require.NoError(t, err)
		require.Equal(t, sum, f.SHA256, f.Name)
	}
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
