package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// small makes an engine that flushes and compacts after little data.
func small(fs vfs.FS) Options {
	return Options{FS: fs, MemTableBytes: 256 << 10, CacheBytes: 1 << 20}
}

func open(t testing.TB, dir string, o Options) *Engine {
	t.Helper()
	if o.Logger == nil {
		o.Logger = hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Info})
	}
	e, err := Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func put(t testing.TB, e *Engine, key, value string, sync bool) {
	t.Helper()
	b := e.NewBatch()
	require.NoError(t, b.Set([]byte(key), []byte(value)))
	require.NoError(t, b.Commit(sync))
}

func has(t testing.TB, r Reader, key string) bool {
	t.Helper()
	_, found, err := r.Get([]byte(key))
	require.NoError(t, err)
	return found
}

func all(t testing.TB, r Reader, lower, upper []byte) map[string]string {
	t.Helper()
	it, err := r.NewIter(lower, upper)
	require.NoError(t, err)
	found := map[string]string{}
	for more := it.First(); more; more = it.Next() {
		v, err := it.Value()
		require.NoError(t, err)
		found[string(it.Key())] = string(v)
	}
	require.NoError(t, it.Err())
	require.NoError(t, it.Close())
	return found
}

func TestBatchIsAppliedInOrderAndAtOnce(t *testing.T) {
	e := open(t, "db", small(vfs.NewMem()))
	b := e.NewBatch()
	require.NoError(t, b.Set([]byte("a"), []byte("1")))
	require.NoError(t, b.Set([]byte("b"), []byte("2")))
	require.NoError(t, b.DeleteRange([]byte("a"), []byte("b")))
	require.NoError(t, b.Set([]byte("c"), []byte("3")))
	require.NoError(t, b.Delete([]byte("c")))
	require.Equal(t, 5, b.Len())
	require.Empty(t, all(t, e, nil, nil), "nothing is visible before the commit")
	require.NoError(t, b.Commit(false))
	require.Equal(t, map[string]string{"b": "2"}, all(t, e, nil, nil))
}

func TestIteratorBoundsAndMoves(t *testing.T) {
	e := open(t, "db", small(vfs.NewMem()))
	for _, k := range []string{"a", "b", "c", "d"} {
		put(t, e, k, k, false)
	}
	it, err := e.NewIter([]byte("b"), []byte("d"))
	require.NoError(t, err)
	require.True(t, it.Next(), "a fresh iterator starts before the first key")
	require.Equal(t, "b", string(it.Key()))
	require.True(t, it.Last())
	require.Equal(t, "c", string(it.Key()))
	require.False(t, it.Next())
	require.True(t, it.SeekGE([]byte("a")))
	require.Equal(t, "b", string(it.Key()))
	require.True(t, it.Last())
	require.Equal(t, "c", string(it.Key()))
	require.True(t, it.Prev())
	require.Equal(t, "b", string(it.Key()))
	require.NoError(t, it.Close())
}

func TestSnapshotDoesNotMove(t *testing.T) {
	e := open(t, "db", small(vfs.NewMem()))
	put(t, e, "a", "1", false)
	s, err := e.NewSnapshot()
	require.NoError(t, err)
	put(t, e, "a", "2", false)
	put(t, e, "b", "2", false)
	require.Equal(t, map[string]string{"a": "1"}, all(t, s, nil, nil))
	require.False(t, has(t, s, "b"))
	require.NoError(t, s.Close())
}

func TestEpochAndSystemKeysSurvive(t *testing.T) {
	mem := vfs.NewMem()
	e := open(t, "db", small(mem))
	require.Zero(t, e.Epoch())
	nonce, err := e.RestoreNonce()
	require.NoError(t, err)
	require.Empty(t, nonce)
	require.NoError(t, e.SetEpoch(7, "n7"))
	require.NoError(t, e.SystemSet("shard/clock", []byte("42")))
	require.NoError(t, e.Close())

	e = open(t, "db", small(mem))
	require.EqualValues(t, 7, e.Epoch())
	nonce, err = e.RestoreNonce()
	require.NoError(t, err)
	require.Equal(t, "n7", nonce)
	v, found, err := e.SystemGet("shard/clock")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "42", string(v))
	require.Empty(t, all(t, e, []byte{1}, nil), "system keys are apart from all others")
}

// A commit without sync is on disk 100 ms later; one with sync, and all before
// it, at once.
func TestUnsyncedCommitsAreSyncedInTheBackground(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		e, err := Open("db", small(mem))
		require.NoError(t, err)
		afterCrash := func(key string) bool {
			c, err := Open("db", small(mem.CrashClone(vfs.CrashCloneCfg{})))
			require.NoError(t, err)
			found := has(t, c, key)
			require.NoError(t, c.Close())
			return found
		}
		put(t, e, "a", "1", false)
		require.False(t, afterCrash("a"), "not synced yet: otherwise this test proves nothing")
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.True(t, afterCrash("a"))

		time.Sleep(time.Minute)
		put(t, e, "b", "1", false)
		require.False(t, afterCrash("b"))
		put(t, e, "c", "1", true)
		require.True(t, afterCrash("b"))
		require.True(t, afterCrash("c"))

		put(t, e, "d", "1", false)
		require.NoError(t, e.SyncAll())
		require.True(t, afterCrash("d"))
		put(t, e, "e", "1", false)
		require.NoError(t, e.Close())
		require.True(t, afterCrash("e"))
	})
}

// Whatever a crash takes away is a tail of the commits.
func TestCrashTakesATail(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		mem := vfs.NewCrashableMem()
		e := open(t, "db", small(mem))
		const n = 200
		synced := -1
		for i := range n {
			sync := rng.IntN(40) == 0
			put(t, e, fmt.Sprintf("%04d", i), string(make([]byte, rng.IntN(4000))), sync)
			if sync {
				synced = i
			}
		}
		clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(seed) % 3 * 50, RNG: rng})
		c := open(t, "db", small(clone))
		there := 0
		for ; there < n && has(t, c, fmt.Sprintf("%04d", there)); there++ {
		}
		require.Len(t, all(t, c, []byte{1}, nil), there, "seed %d: a hole after commit %d", seed, there)
		require.GreaterOrEqual(t, there, synced+1, "seed %d: a synced commit is gone", seed)
	}
}

// The first synced commit of a new engine survives, folder and all.
func TestNewEngineIsDurable(t *testing.T) {
	mem := vfs.NewCrashableMem()
	e := open(t, "db", small(mem))
	put(t, e, "a", "1", true)
	c := open(t, "db", small(mem.CrashClone(vfs.CrashCloneCfg{})))
	require.True(t, has(t, c, "a"))
}

func TestSecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, small(vfs.Default))
	_, err := Open(dir, small(vfs.Default))
	require.Error(t, err)
}

func TestClosedEngineAnswers(t *testing.T) {
	e := open(t, "db", small(vfs.NewMem()))
	b := e.NewBatch()
	require.NoError(t, b.Set([]byte("a"), nil))
	require.NoError(t, e.Close())
	require.ErrorIs(t, b.Commit(true), ErrClosed)
	_, _, err := e.Get([]byte("a"))
	require.ErrorIs(t, err, ErrClosed)
	_, err = e.NewIter(nil, nil)
	require.ErrorIs(t, err, ErrClosed)
	_, err = e.BeginCut(t.Context(), "cut")
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, e.SyncAll(), ErrClosed)
	require.NoError(t, e.Close())
}

func TestReadOnlyChangesNothing(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, small(vfs.Default))
	put(t, e, "a", "1", true)
	require.NoError(t, e.Close())
	require.NoError(t, vfs.Default.Remove(vfs.Default.PathJoin(dir, "LOCK")))
	before := listing(t, vfs.Default, dir)
	o := small(vfs.Default)
	o.ReadOnly = true
	r := open(t, dir, o)
	require.True(t, has(t, r, "a"))
	b := r.NewBatch()
	require.NoError(t, b.Set([]byte("b"), nil))
	require.Error(t, b.Commit(false))
	require.NoError(t, r.Close())
	require.Equal(t, before, listing(t, vfs.Default, dir))
}

func TestMissingEngineIsAnErrorWhereItMustExist(t *testing.T) {
	_, err := Open("nowhere", Options{FS: vfs.NewMem(), MustExist: true})
	require.Error(t, err)
	require.Error(t, Check(vfs.NewMem(), "nowhere"))
}

// listing is every file of a folder with size and time of change.
func listing(t testing.TB, v vfs.FS, dir string) map[string]string {
	t.Helper()
	names, err := v.List(dir)
	require.NoError(t, err)
	found := map[string]string{}
	for _, name := range names {
		info, err := v.Stat(v.PathJoin(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		found[name] = fmt.Sprint(info.Size(), info.ModTime())
	}
	return found
}
