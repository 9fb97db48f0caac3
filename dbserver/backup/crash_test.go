package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
)

// crash is the disk as a crash right before one operation leaves it.
type crash struct {
	fs   *vfs.MemFS
	at   string // the operation, for people
	mark bool   // whether the recorder was marked before
}

// recorder crashes before every operation that writes, in one run: each time it
// keeps what would be on disk, once without anything unsynced and once with a
// random part of it. The live engine's own files are not its concern.
type recorder struct {
	mem *vfs.MemFS
	fs  vfs.FS

	mu      sync.Mutex
	armed   bool
	mark    bool
	crashes []crash
}

func newRecorder() *recorder {
	r := &recorder{mem: vfs.NewCrashableMem()}
	r.fs = errorfs.Wrap(r.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && !strings.HasPrefix(op.Path, "data/engine/") {
			r.crash(fmt.Sprint(op.Kind, " ", op.Path))
		}
		return nil
	}))
	return r
}

func (r *recorder) crash(at string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.armed {
		return
	}
	n := len(r.crashes)
	for _, percent := range []int{0, 50} {
		clone := r.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(n), 5))})
		r.crashes = append(r.crashes, crash{clone, fmt.Sprintf("crash %d (%d %%) before %s", n, percent, at), r.mark})
	}
}

func (r *recorder) set(armed, mark bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed, r.mark = armed, mark
}

// finish ends the recording with a crash after the last operation.
func (r *recorder) finish(t testing.TB) []crash {
	t.Helper()
	r.crash("nothing")
	r.set(false, false)
	require.Greater(t, len(r.crashes), 10)
	t.Logf("%d crashes", len(r.crashes))
	return r.crashes
}

// Wherever the process dies between Prepare and Publish: committed means listed
// and intact after the next start, not committed means that no trace is left.
func TestCrashWhileMakingAPiece(t *testing.T) {
	r := newRecorder()
	s := newServer(t, r.fs)
	s.small = true
	s.put(0, 50)
	r.set(true, false)
	s.sealed(testID, "n")
	r.set(true, true) // the commit in the agency
	require.NoError(t, s.store.Attempts.Publish(t.Context(), testID, "n"))
	for _, c := range r.finish(t) {
		store := openStore(t, c.fs)
		committed := ""
		if c.mark {
			committed = "n"
		}
		require.NoError(t, store.Attempts.Resolve(t.Context(), func(_ context.Context, _, nonce string) (Fate, error) {
			return FateOf(nonce, committed, ""), nil
		}), c.at)
		if !c.mark {
			require.Empty(t, names(t, c.fs, "data/backups"), c.at)
			continue
		}
		require.Equal(t, []string{testID}, names(t, c.fs, "data/backups"), "a committed piece is lost: %s", c.at)
		v, err := store.Published.Verify(t.Context(), testID)
		require.NoError(t, err, c.at)
		require.Empty(t, v.Problems, "a committed piece is damaged: %s", c.at)
		require.Equal(t, 50, rows(t, c.fs, "data/backups/"+testID+"/engine"), c.at)
	}
}

// While a piece is deleted it is whole and listed, or not listed and gone.
func TestCrashWhileDeleting(t *testing.T) {
	r := newRecorder()
	s := newServer(t, r.fs)
	s.small = true
	s.put(0, 50)
	s.publish(testID, "n")
	r.set(true, false)
	require.NoError(t, s.store.Published.Delete(testID))
	r.crash("nothing")
	for _, c := range r.crashes {
		store := openStore(t, c.fs)
		if len(listed(t, store)) == 0 {
			require.Empty(t, names(t, c.fs, "data/backups"), c.at)
			continue
		}
		v, err := store.Published.Verify(t.Context(), testID)
		require.NoError(t, err, c.at)
		require.Empty(t, v.Problems, c.at)
	}
}

// Before the commit a restore that died is as if never asked; had it been
// committed, it would be finished.
func TestCrashWhileStaging(t *testing.T) {
	r := newRecorder()
	s := newServer(t, r.fs)
	s.small = true
	s.put(0, 30)
	s.publish(testID, "n")
	s.put(30, 50)
	s.close()
	r.set(true, false)
	require.NoError(t, s.store.Restores.Stage(t.Context(), stageRequest(3)))
	whole := 0
	for _, c := range r.finish(t) {
		store := openStore(t, c.fs)
		staged, err := store.Restores.Staged()
		require.NoError(t, err, c.at)
		whole += len(staged)
		decision := Remove
		if whole%2 == 1 {
			decision = Finish
		}
		require.NoError(t, store.Restores.ResolveStaged(t.Context(), func(context.Context, Staged) (Fate, error) { return decision, nil }), c.at)
		if len(staged) > 0 && decision == Finish {
			requireRestored(t, c.fs, store, 3, 30)
			continue
		}
		require.Equal(t, []string{"backups", "engine"}, names(t, c.fs, "data"), c.at)
		require.Equal(t, 50, rows(t, c.fs, "data/engine"), c.at)
		require.Equal(t, []string{testID}, listed(t, store), c.at)
	}
	require.GreaterOrEqual(t, whole, 2, "no crash found a staged restore")
}

// Wherever the process dies in a swap, and dies again in the repair: the end is
// the restored engine in place and the old one as a failsafe that can be restored. An
// older failsafe stays: what other servers have of the new one is not known here.
func TestCrashWhileSwapping(t *testing.T) {
	r := newRecorder()
	s := newServer(t, r.fs)
	s.small = true
	s.put(0, 30)
	s.publish(testID, "n")
	s.put(30, 50)
	older := stageRequest(2)
	older.FailsafeID, older.Nonce = "older_failsafe", "older"
	require.NoError(t, s.store.Restores.Stage(t.Context(), older))
	s.close()
	_, err := s.store.Restores.FinishSwap(2, "older")
	require.NoError(t, err)
	s.openEngine()
	s.put(30, 70)
	s.close()
	require.NoError(t, s.store.Restores.Stage(t.Context(), stageRequest(3)))
	r.set(true, false)
	_, err = s.store.Restores.FinishSwap(3, "restore")
	require.NoError(t, err)
	for i, c := range r.finish(t) {
		store := openStore(t, c.fs)
		again := c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(i), 6))})
		_, err := store.Restores.FinishSwap(3, "restore")
		require.NoError(t, err, c.at)
		requireSwapped(t, c.fs, store, c.at)

		store = openStore(t, again)
		_, err = store.Restores.FinishSwap(3, "restore")
		require.NoError(t, err, c.at)
		requireSwapped(t, again, store, c.at)
	}
}

func requireSwapped(t *testing.T, fs vfs.FS, store *Store, at string) {
	t.Helper()
	require.Equal(t, []string{testID, failsafeID, "older_failsafe"}, names(t, fs, "data/backups"), "a crash in the middle of a swap: %s", at)
	requireRestored(t, fs, store, 3, 30)
	v, err := store.Published.Verify(t.Context(), failsafeID)
	require.NoError(t, err, at)
	require.Empty(t, v.Problems, at)
	require.Equal(t, 70, rows(t, fs, "data/backups/"+failsafeID+"/engine"), at)
}

// Every operation of a restore may fail instead: the answer is an error, and the
// next try succeeds.
func TestErrorsWhileSwapping(t *testing.T) {
	mem := vfs.NewMem()
	f := &fault{err: errorfs.ErrInjected, want: func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }}
	failing := f.wrap(mem)
	s := newServer(t, failing)
	s.small = true
	s.put(0, 30)
	s.publish(testID, "n")
	s.close()
	for n := 1; ; n++ {
		req := stageRequest(uint64(n))
		req.FailsafeID = fmt.Sprint("failsafe", n)
		require.NoError(t, s.store.Restores.Stage(t.Context(), req))
		f.arm(n)
		_, err := s.store.Restores.FinishSwap(req.Epoch, "restore")
		if !f.arm(0) {
			require.NoError(t, err)
			require.Greater(t, n, 20, "too few operations failed")
			return
		}
		store := openStore(t, failing) // the server starts again
		_, again := store.Restores.FinishSwap(req.Epoch, "restore")
		require.NoError(t, again, "after %v", err)
		requireRestored(t, mem, store, req.Epoch, 30)
		if n > 1 {
			require.NoError(t, store.Published.Delete(fmt.Sprint("failsafe", n-1)), "it stays")
		}
		require.Equal(t, []string{testID, req.FailsafeID}, listed(t, store))
	}
}

// A certificate that is no JSON, or one before the links, is refused.
func TestSealIsChecked(t *testing.T) {
	s := newServer(t, vfs.NewMem())
	require.NoError(t, s.store.Attempts.Prepare(t.Context(), s.e, testID, "n"))
	require.Error(t, s.store.Attempts.Seal(t.Context(), dbclient.SealRequest{ID: testID, Nonce: "n", Certificate: json.RawMessage("{}")}))
	require.ErrorContains(t, s.store.Attempts.Seal(t.Context(), dbclient.SealRequest{ID: testID, Nonce: "n", Certificate: json.RawMessage("{")}), "JSON")
}
