package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
)

func TestPieceFromCutToDelete(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.put(0, 200)
	meta := s.sealed(testID, "n1")
	require.Empty(t, listed(t, s.store), "not published yet")
	require.NoError(t, s.store.Attempts.Publish(t.Context(), testID, "n1"))
	require.NoError(t, s.store.Attempts.Publish(t.Context(), testID, "n1"), "publishing twice is harmless")
	s.put(200, 300)

	require.Equal(t, []string{testID}, listed(t, s.store))
	pieces, err := s.store.Published.List(dbclient.ListRequest{IDs: []string{testID, "other"}, WithDetails: true})
	require.NoError(t, err)
	require.Len(t, pieces, 1)
	require.Equal(t, meta, pieces[0].Piece)
	require.Equal(t, "PRMR-1", meta.ServerID)
	require.Equal(t, dbclient.PieceHot, meta.Kind)
	require.Positive(t, meta.NrFiles)
	require.EqualValues(t, 7, pieces[0].AgencyDump.Index)
	require.JSONEq(t, testCert, string(pieces[0].Certificate))

	v := requireIntact(t, s.store, testID)
	require.Equal(t, meta.NrFiles, v.Files)
	require.Equal(t, meta.SizeInBytes, v.Bytes)
	require.Equal(t, 200, rows(t, mem, "data/backups/"+testID+"/engine"))

	require.NoError(t, s.store.Published.Delete(testID))
	require.Empty(t, names(t, mem, "data/backups"))
	require.ErrorIs(t, s.store.Published.Delete(testID), apierror.FileNotFound)
	_, err = s.store.Published.Verify(t.Context(), testID)
	require.ErrorIs(t, err, apierror.FileNotFound)
}

func TestNoPathIsMadeOfABadID(t *testing.T) {
	s := newServer(t, vfs.NewMem())
	before := contents(t, s.fs, "data")
	for _, id := range []string{"", ".", "..", "../x", "a/b", `a\b`, "a\x00b", "-x", ".x", "x.pending", "x.removed", "x.tmp", strings.Repeat("x", 201), "ä"} {
		ctx := t.Context()
		require.ErrorIs(t, s.store.Attempts.Prepare(ctx, s.e, id, "n"), apierror.BadParameter, "%q", id)
		_, err := s.store.Attempts.Cut(ctx, s.e, id, "n")
		require.ErrorIs(t, err, apierror.BadParameter)
		_, err = s.store.Attempts.Link(ctx, linkRequest(id, "n"))
		require.ErrorIs(t, err, apierror.BadParameter)
		require.ErrorIs(t, s.store.Attempts.Seal(t.Context(), dbclient.SealRequest{ID: id}), apierror.BadParameter)
		require.ErrorIs(t, s.store.Attempts.Publish(t.Context(), id, "n"), apierror.BadParameter)
		require.ErrorIs(t, s.store.Attempts.Drop(t.Context(), id, "n"), apierror.BadParameter)
		require.ErrorIs(t, s.store.Published.Delete(id), apierror.BadParameter)
		_, err = s.store.Published.Verify(ctx, id)
		require.ErrorIs(t, err, apierror.BadParameter)
		require.Error(t, s.store.Restores.Stage(ctx, dbclient.StageRequest{ID: id, Epoch: 1, Nonce: "n", FailsafeID: "f"}))
		require.Error(t, s.store.Restores.Stage(ctx, dbclient.StageRequest{ID: "x", Epoch: 1, Nonce: "n", FailsafeID: id}))
	}
	require.ErrorIs(t, backupname.CheckLabel("a/b"), apierror.BadParameter)
	require.ErrorIs(t, backupname.CheckLabel(""), apierror.BadParameter)
	require.NoError(t, backupname.CheckLabel("7a9b_x.y-z"))
	require.Equal(t, before, contents(t, s.fs, "data"))
}

// Steps belong to the nonce that prepared the piece.
func TestAnotherNonceIsRefused(t *testing.T) {
	s := newServer(t, vfs.NewMem())
	ctx := t.Context()
	require.NoError(t, s.store.Attempts.Prepare(ctx, s.e, testID, "n1"))
	require.NoError(t, s.store.Attempts.Prepare(ctx, s.e, testID, "n1"), "again")
	require.ErrorIs(t, s.store.Attempts.Prepare(ctx, s.e, testID, "n2"), apierror.BackupConflict, "another attempt's piece is taken")
	_, err := s.store.Attempts.Cut(ctx, s.e, testID, "n2")
	require.ErrorIs(t, err, apierror.BackupConflict)
	_, err = s.store.Attempts.Link(ctx, linkRequest(testID, "n1"))
	require.Error(t, err, "no cut yet")
	_, err = s.store.Attempts.Cut(ctx, s.e, testID, "n1")
	require.NoError(t, err)
	_, err = s.store.Attempts.Link(ctx, linkRequest(testID, "n2"))
	require.ErrorIs(t, err, apierror.BackupConflict)
	first, err := s.store.Attempts.Link(ctx, linkRequest(testID, "n1"))
	require.NoError(t, err)
	again, err := s.store.Attempts.Link(ctx, linkRequest(testID, "n1"))
	require.NoError(t, err)
	require.Equal(t, first, again, "a lost answer is given again")
	require.Error(t, s.store.Attempts.Publish(t.Context(), testID, "n1"), "not sealed")
	require.ErrorIs(t, s.store.Attempts.Seal(t.Context(), dbclient.SealRequest{ID: testID, Nonce: "n2", Certificate: json.RawMessage("{}")}), apierror.BackupConflict)
	require.NoError(t, s.store.Attempts.Drop(t.Context(), testID, "n2"), "nothing of n2 is here")
	require.NoError(t, s.store.Attempts.Seal(t.Context(), dbclient.SealRequest{ID: testID, Nonce: "n1", Certificate: json.RawMessage("{}")}))
	require.NoError(t, s.store.Attempts.Publish(t.Context(), testID, "n1"))
	require.ErrorIs(t, s.store.Attempts.Prepare(ctx, s.e, testID, "n3"), apierror.BackupConflict)
	require.ErrorIs(t, s.store.Attempts.Publish(t.Context(), testID, "n3"), apierror.BackupConflict)
}

func TestDropAtEveryStep(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.put(0, 50)
	ctx := t.Context()
	steps := []func(id string) error{
		func(id string) error { return s.store.Attempts.Prepare(ctx, s.e, id, "n") },
		func(id string) error { _, err := s.store.Attempts.Cut(ctx, s.e, id, "n"); return err },
		func(id string) error { _, err := s.store.Attempts.Link(ctx, linkRequest(id, "n")); return err },
		func(id string) error {
			return s.store.Attempts.Seal(t.Context(), dbclient.SealRequest{ID: id, Nonce: "n", Certificate: json.RawMessage("{}")})
		},
	}
	for n := range len(steps) + 1 {
		id := fmt.Sprint("drop", n)
		for _, step := range steps[:n] {
			require.NoError(t, step(id))
		}
		require.NoError(t, s.store.Attempts.Drop(t.Context(), id, "n"))
		require.NoError(t, s.store.Attempts.Drop(t.Context(), id, "n"), "dropping twice is harmless")
		require.Empty(t, names(t, mem, "data/backups"))
	}
	require.Empty(t, s.store.Attempts.turns.pieces)
}

// A context that ends, and a Drop from elsewhere, end a Link; nothing remains.
func TestLinkIsCancelled(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.put(0, 50)
	require.NoError(t, s.store.Attempts.Prepare(t.Context(), s.e, testID, "n"))
	_, err := s.store.Attempts.Cut(t.Context(), s.e, testID, "n")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.store.Attempts.Link(ctx, linkRequest(testID, "n"))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, names(t, mem, "data/backups"))
	s.publish(testID, "n2")
	requireIntact(t, s.store, testID)
}

// A disk that is full at any file while linking: a clear error, nothing listed,
// nothing left.
func TestDiskFullWhileLinking(t *testing.T) {
	mem := vfs.NewMem()
	full := &fault{
		err: &fs.PathError{Op: "write", Path: "somewhere", Err: syscall.ENOSPC},
		want: func(op errorfs.Op) bool {
			creates := op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite
			return creates && strings.Contains(op.Path, ".pending")
		},
	}
	s := newServer(t, full.wrap(mem))
	s.put(0, 150)
	for n := 1; ; n++ {
		id := fmt.Sprint("full", n)
		require.NoError(t, s.store.Attempts.Prepare(t.Context(), s.e, id, "n"))
		full.arm(n)
		_, err := s.store.Attempts.Cut(t.Context(), s.e, id, "n")
		require.NoError(t, err)
		_, err = s.store.Attempts.Link(t.Context(), linkRequest(id, "n"))
		if !full.arm(0) {
			require.NoError(t, err)
			require.Greater(t, n, 5, "too few operations failed")
			require.NoError(t, s.store.Attempts.Drop(t.Context(), id, "n"))
			break
		}
		require.ErrorIs(t, err, apierror.NoSpace, "operation %d", n)
		require.Empty(t, names(t, mem, "data/backups"), "operation %d: space is not given back", n)
	}
	s.publish("after", "n")
	requireIntact(t, s.store, "after")
}

func TestVerifyNamesTheDamage(t *testing.T) {
	dir := "data/backups/" + testID
	table := func(t *testing.T, mem *vfs.MemFS, suffix string) string {
		for _, name := range names(t, mem, dir+"/engine") {
			if strings.HasSuffix(name, suffix) {
				return dir + "/engine/" + name
			}
		}
		t.Fatalf("no file *%s in the piece", suffix)
		return ""
	}
	flip := func(t *testing.T, mem *vfs.MemFS, path string) {
		require.NoError(t, vfs.Copy(mem, path, path+".copy")) // cut the link: the engine has the same bytes
		require.NoError(t, mem.Rename(path+".copy", path))
		data, err := mem.UnsafeGetFileDataBuffer(path)
		require.NoError(t, err)
		data[len(data)/2] ^= 1
	}
	for name, damage := range map[string]func(*testing.T, *vfs.MemFS) (want string){
		"flipped bit in a table": func(t *testing.T, mem *vfs.MemFS) string {
			path := table(t, mem, ".sst")
			flip(t, mem, path)
			return "engine/" + filepath.Base(path) + ": content changed"
		},
		"flipped bit in a log": func(t *testing.T, mem *vfs.MemFS) string {
			path := table(t, mem, ".log")
			flip(t, mem, path)
			return "engine/" + filepath.Base(path) + ": content changed"
		},
		"missing file": func(t *testing.T, mem *vfs.MemFS) string {
			path := table(t, mem, ".sst")
			require.NoError(t, mem.Remove(path))
			return "engine/" + filepath.Base(path) + ": missing"
		},
		"additional file": func(t *testing.T, mem *vfs.MemFS) string {
			require.NoError(t, piece.Disk{FS: mem}.WriteFile(dir+"/engine/999999.sst", []byte("x")))
			return "engine/999999.sst: not in the manifest"
		},
		"changed manifest": func(t *testing.T, mem *vfs.MemFS) string {
			data, err := piece.Disk{FS: mem}.ReadFile(dir + "/MANIFEST.json")
			require.NoError(t, err)
			require.NoError(t, piece.Disk{FS: mem}.WriteFile(dir+"/MANIFEST.json", append(data, ' ')))
			return "MANIFEST.json: differs from the hash in META"
		},
		"changed dump": func(t *testing.T, mem *vfs.MemFS) string {
			flip(t, mem, dir+"/AGENCY-DUMP.json")
			return "AGENCY-DUMP.json: differs"
		},
		"missing certificate": func(t *testing.T, mem *vfs.MemFS) string {
			require.NoError(t, mem.Remove(dir+"/CERTIFICATE.json"))
			return "CERTIFICATE.json: missing"
		},
		"unreadable META": func(t *testing.T, mem *vfs.MemFS) string {
			require.NoError(t, piece.Disk{FS: mem}.WriteFile(dir+"/META", []byte("{")))
			return "META: "
		},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			s := newServer(t, mem)
			s.put(0, 150)
			require.NoError(t, s.store.Attempts.Prepare(t.Context(), s.e, testID, "n"))
			s.put(150, 151) // in the log, which would be empty without it
			s.sealedAfterPrepare(testID, "n")
			require.NoError(t, s.store.Attempts.Publish(t.Context(), testID, "n"))
			before := contents(t, mem, dir)
			requireIntact(t, s.store, testID)
			require.Equal(t, before, contents(t, mem, dir), "verifying changes nothing")
			want := damage(t, mem)
			v, err := s.store.Published.Verify(t.Context(), testID)
			require.NoError(t, err)
			require.Contains(t, strings.Join(v.Problems, "\n"), want, "damage is not found")
		})
	}
}

func TestVerifyIsCancelled(t *testing.T) {
	s := newServer(t, vfs.NewMem())
	s.put(0, 50)
	s.publish(testID, "n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.store.Published.Verify(ctx, testID)
	require.ErrorIs(t, err, context.Canceled)
}

// What the agency decided is done to pending pieces; anything undecided stays.
func TestResolve(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.put(0, 50)
	for _, id := range []string{"committed", "holding", "stale", "asked"} {
		s.sealed(id, "nonce-"+id)
	}
	require.NoError(t, mem.MkdirAll("data/backups/torn.pending", 0o755))
	store := openStore(t, mem) // a restart
	require.Empty(t, listed(t, store))
	err := store.Attempts.Resolve(t.Context(), func(_ context.Context, id, nonce string) (Fate, error) {
		if id == "asked" {
			return Keep, errors.New("agency unreachable")
		}
		committed := map[string]string{"committed": "nonce-committed", "stale": "another"}[id]
		return FateOf(nonce, committed, "nonce-holding"), nil
	})
	require.ErrorContains(t, err, "agency unreachable")
	require.Equal(t, []string{"committed"}, listed(t, store))
	require.Equal(t, []string{"asked.pending", "committed", "holding.pending"}, names(t, mem, "data/backups"), "who holds the lock keeps its piece")
	requireIntact(t, store, "committed")
}

// As long as the attempt of a pending piece cannot be read, its backup is not known. It may
// be committed, so the piece stays.
func TestUnreadableAttemptIsNotTakenForNone(t *testing.T) {
	mem := vfs.NewMem()
	s := newServer(t, mem)
	s.put(0, 50)
	s.sealed(testID, "n")
	broken := &fault{err: errors.New("too many open files"), want: func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpOpen && strings.HasSuffix(op.Path, fileAttempt)
	}}
	store := openStore(t, broken.wrap(mem))
	decide := func(_ context.Context, _, nonce string) (Fate, error) { return FateOf(nonce, "n", ""), nil }
	broken.arm(1)
	require.NoError(t, store.Attempts.Resolve(t.Context(), decide))
	require.True(t, broken.arm(1))
	require.Equal(t, []string{testID + piece.SuffixPending}, names(t, mem, "data/backups"))
	require.ErrorContains(t, store.Attempts.Drop(t.Context(), testID, "another"), "too many open files")
	require.True(t, broken.arm(0))
	require.NoError(t, store.Attempts.Resolve(t.Context(), decide))
	requireIntact(t, store, testID)
}
