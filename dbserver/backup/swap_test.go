package backup

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
)

const failsafeID = "2026-11-22T13.00.00Z_failsafe"

func stageRequest(epoch uint64) dbclient.StageRequest {
	return dbclient.StageRequest{
		ID: testID, Source: "PRMR-1", Epoch: epoch, Nonce: "restore", FailsafeID: failsafeID,
		FailsafeTime: "2026-11-22T13:00:00Z", NrDBServers: 3, FailsafeDump: testDump,
	}
}

// restored demands the engine of the restore in place, and nothing left to do.
func requireRestored(t testing.TB, fs vfs.FS, store *Store, epoch uint64, want int) {
	t.Helper()
	require.Equal(t, want, rows(t, fs, "data/engine"))
	e, err := engine.Open("data/engine", engine.Options{FS: fs, ReadOnly: true})
	require.NoError(t, err)
	require.Equal(t, epoch, e.Epoch())
	nonce, err := e.RestoreNonce()
	require.NoError(t, err)
	require.Equal(t, "restore", nonce)
	require.NoError(t, e.Close())
	staged, err := store.Restores.Staged()
	require.NoError(t, err)
	require.Empty(t, staged)
	require.Equal(t, []string{"backups", "engine"}, names(t, fs, "data"))
}

func TestRestoreAndItsFailsafe(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.put(0, 150)
	s.publish(testID, "n")
	s.put(150, 250)
	before := contents(t, mem, "data/backups/"+testID)

	require.NoError(t, s.store.Restores.Stage(t.Context(), stageRequest(4)))
	require.NoError(t, s.store.Restores.Stage(t.Context(), stageRequest(4)), "staging again replaces")
	require.Equal(t, before, contents(t, mem, "data/backups/"+testID), "the piece is not changed by staging")
	staged, err := s.store.Restores.Staged()
	require.NoError(t, err)
	require.Equal(t, []Staged{{Epoch: 4, Nonce: "restore", ID: testID}}, staged)
	s.put(250, 260) // still live

	_, err = s.store.Restores.FinishSwap(4, "another")
	require.ErrorIs(t, err, apierror.BackupConflict, "another restore's engine is swapped in")
	s.close()
	swapped, err := s.store.Restores.FinishSwap(4, "restore")
	require.NoError(t, err)
	require.True(t, swapped)
	swapped, err = s.store.Restores.FinishSwap(4, "restore")
	require.NoError(t, err)
	require.False(t, swapped, "nothing is left to do")
	requireRestored(t, mem, s.store, 4, 150)
	require.Equal(t, []string{testID, failsafeID}, listed(t, s.store))
	v := requireIntact(t, s.store, failsafeID)
	require.Equal(t, dbclient.PieceFailsafe, v.Piece.Kind)
	require.Equal(t, 3, v.Piece.NrDBServers)
	require.Zero(t, v.Piece.Epoch)

	// The restored engine works, and leaves the piece alone.
	s.openEngine()
	s.put(150, 400)
	require.NoError(t, s.e.PrepareCut(t.Context()))
	s.close()
	requireIntact(t, s.store, testID)

	// Restoring the failsafe goes back. It stays beside the newer one, which may not be whole.
	back := stageRequest(5)
	back.ID, back.FailsafeID = failsafeID, "2026-11-22T14.00.00Z_failsafe"
	require.NoError(t, s.store.Restores.Stage(t.Context(), back))
	_, err = s.store.Restores.FinishSwap(5, "restore")
	require.NoError(t, err)
	requireRestored(t, mem, s.store, 5, 260)
	require.Equal(t, []string{testID, failsafeID, back.FailsafeID}, listed(t, s.store))
	requireIntact(t, s.store, failsafeID)
	require.EqualValues(t, 4, requireIntact(t, s.store, back.FailsafeID).Piece.Epoch)
}

func TestStageEmptyAndOntoNothing(t *testing.T) {
	mem := vfs.NewMem()
	store := openStore(t, mem)
	req := stageRequest(1)
	req.ID, req.Source, req.Empty = "", "", true
	require.NoError(t, store.Restores.Stage(t.Context(), req))
	_, err := store.Restores.FinishSwap(1, "restore")
	require.NoError(t, err)
	requireRestored(t, mem, store, 1, 0)
	require.Empty(t, listed(t, store), "there was no engine to keep")
}

func TestUnstage(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.publish(testID, "n")
	require.NoError(t, s.store.Restores.Stage(t.Context(), stageRequest(2)))
	require.NoError(t, s.store.Restores.Unstage(t.Context(), dbclient.UnstageRequest{Epoch: 2, Nonce: "another"}))
	staged, err := s.store.Restores.Staged()
	require.NoError(t, err)
	require.Len(t, staged, 1, "another nonce's stays")
	require.NoError(t, s.store.Restores.Unstage(t.Context(), dbclient.UnstageRequest{Epoch: 2, Nonce: "restore"}))
	require.NoError(t, s.store.Restores.Unstage(t.Context(), dbclient.UnstageRequest{Epoch: 2, Nonce: "restore"}))
	require.Equal(t, []string{"backups", "engine"}, names(t, mem, "data"))
}

// A damaged piece, another server's, or an unknown one is refused before anything
// is staged.
func TestStageRefusesWhatIsNotWhole(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.put(0, 150)
	s.publish(testID, "n")
	req := stageRequest(2)
	req.Source = "PRMR-2"
	require.ErrorIs(t, s.store.Restores.Stage(t.Context(), req), apierror.FileNotFound)
	req = stageRequest(2)
	req.ID = "unknown"
	require.ErrorIs(t, s.store.Restores.Stage(t.Context(), req), apierror.FileNotFound)
	for _, name := range names(t, mem, "data/backups/"+testID+"/engine") {
		if path := "data/backups/" + testID + "/engine/" + name; strings.HasSuffix(name, ".sst") {
			require.NoError(t, vfs.Copy(mem, path, path+".copy"))
			require.NoError(t, mem.Rename(path+".copy", path))
			data, err := mem.UnsafeGetFileDataBuffer(path)
			require.NoError(t, err)
			data[len(data)/3] ^= 1
		}
	}
	err := s.store.Restores.Stage(t.Context(), stageRequest(2))
	require.Error(t, err)
	require.NotContains(t, err.Error(), piece.SuffixTemp, "it names a folder that is gone")
	require.NotContains(t, err.Error(), "\n")
	require.Equal(t, []string{"backups", "engine"}, names(t, mem, "data"))
	require.Equal(t, 150, s.count())
}

// On a real disk: staged tables are the piece's own files, all else is not.
func TestStageLinksOnlyTables(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newServer(t, vfs.Default)
	s.put(0, 150)
	s.publish(testID, "n")
	require.NoError(t, s.store.Restores.Stage(t.Context(), stageRequest(2)))
	files, err := filepath.Glob("data/backups/" + testID + "/engine/*")
	require.NoError(t, err)
	tables := 0
	for _, file := range files {
		a, err := os.Stat(file)
		require.NoError(t, err)
		b, err := os.Stat(filepath.Join("data/engine.restore-2/engine", filepath.Base(file)))
		if !engine.IsImmutable(file) {
			require.False(t, err == nil && os.SameFile(a, b), "%s is shared", file)
			continue
		}
		require.NoError(t, err)
		require.True(t, os.SameFile(a, b), "%s is copied", file)
		tables++
	}
	require.Positive(t, tables)
}

// A look that removes what a lost restore staged is slow; meanwhile another restore
// stages for the same epoch. What that one staged stays.
func TestUnstageDoesNotTakeWhatCameAfter(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.put(0, 50)
	s.publish(testID, "n")
	var slow atomic.Bool
	staged := make(chan error, 1)
	var store *Store
	store = openStore(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpRename && strings.HasSuffix(op.Path, stagedName(2)) && !slow.Swap(true) {
			next := stageRequest(2)
			next.Nonce = "next"
			go func() { staged <- store.Restores.Stage(t.Context(), next) }()
			select {
			case err := <-staged:
				staged <- err
			case <-time.After(300 * time.Millisecond): // it waits for the look
			}
		}
		return nil
	})))
	require.NoError(t, s.store.Restores.Stage(t.Context(), stageRequest(2)))
	require.NoError(t, store.Restores.Unstage(t.Context(), dbclient.UnstageRequest{Epoch: 2, Nonce: "restore"}))
	require.NoError(t, <-staged)
	left, err := store.Restores.Staged()
	require.NoError(t, err)
	require.Equal(t, []Staged{{Epoch: 2, Nonce: "next", ID: testID}}, left)
}

// A log that is damaged ends early without a complaint when an engine replays it:
// the restore would lack its last writes. Every byte that is not in a checked table
// is compared with what was certified.
func TestStageRefusesDamagedLogs(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.put(0, 100)
	require.NoError(t, s.store.Attempts.Prepare(t.Context(), s.e, testID, "n"))
	s.put(100, 110) // in the log, and nowhere else
	_, err := s.store.Attempts.Cut(t.Context(), s.e, testID, "n")
	require.NoError(t, err)
	_, err = s.store.Attempts.Link(t.Context(), linkRequest(testID, "n"))
	require.NoError(t, err)
	require.NoError(t, s.store.Attempts.Seal(t.Context(), dbclient.SealRequest{ID: testID, Nonce: "n", Certificate: json.RawMessage(testCert)}))
	require.NoError(t, s.store.Attempts.Publish(t.Context(), testID, "n"))
	dir := "data/backups/" + testID
	damaged := 0
	for _, path := range append([]string{piece.FileManifest}, prefixed("engine/", names(t, mem, dir+"/engine"))...) {
		data, err := mem.UnsafeGetFileDataBuffer(dir + "/" + path)
		require.NoError(t, err)
		if engine.IsImmutable(path) || len(data) == 0 {
			continue
		}
		for _, at := range []int{len(data) / 3, len(data) / 2, len(data) - 2} {
			data[at] ^= 2
			require.Error(t, s.store.Restores.Stage(t.Context(), stageRequest(2)), "%s at %d", path, at)
			data[at] ^= 2
			damaged++
		}
	}
	require.Greater(t, damaged, 3)
	require.NoError(t, s.store.Restores.Stage(t.Context(), stageRequest(2)))
}

func prefixed(prefix string, names []string) []string {
	for i := range names {
		names[i] = prefix + names[i]
	}
	return names
}
