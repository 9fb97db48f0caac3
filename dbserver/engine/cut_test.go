package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// writers write numbered keys, each its own row, behind a gate; acknowledged[i]
// is the number of writes that writer i has had acknowledged.
type writers struct {
	e            *Engine
	gate         sync.RWMutex
	acknowledged []uint64
	tokens       chan struct{} // one for each write
	done         sync.WaitGroup
	errs         chan error
}

func startWriters(e *Engine, from []uint64, valueBytes int) *writers {
	w := &writers{e: e, acknowledged: slices.Clone(from), tokens: make(chan struct{}), errs: make(chan error, len(from))}
	for i := range from {
		w.done.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 2))
			for range w.tokens {
				if err := w.write(i, rng, valueBytes); err != nil {
					w.errs <- err
					return
				}
			}
		})
	}
	return w
}

func rowKey(writer int, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{1, byte(writer)}, n)
}

func (w *writers) write(i int, rng *rand.Rand, valueBytes int) error {
	value := make([]byte, 1+rng.IntN(valueBytes))
	for j := 0; j+8 <= len(value); j += 8 {
		binary.BigEndian.PutUint64(value[j:], rng.Uint64())
	}
	w.gate.RLock()
	defer w.gate.RUnlock()
	b := w.e.NewBatch()
	if err := b.Set(rowKey(i, w.acknowledged[i]), value); err != nil {
		return err
	}
	if err := b.Commit(rng.IntN(50) == 0); err != nil {
		return err
	}
	w.acknowledged[i]++
	return nil
}

// feed lets the writers do n writes and returns when all have begun.
func (w *writers) feed(n int) {
	for range n {
		w.tokens <- struct{}{}
	}
}

// cut takes the gate, the cut, and what was acknowledged; then opens the gate.
func (w *writers) cut(ctx context.Context, dir string) (c *Cut, acknowledged []uint64, held time.Duration, err error) {
	w.gate.Lock()
	defer w.gate.Unlock()
	begun := time.Now()
	c, err = w.e.BeginCut(ctx, dir)
	return c, append(acknowledged, w.acknowledged...), time.Since(begun), err
}

func (w *writers) finish(t testing.TB) {
	t.Helper()
	close(w.tokens)
	w.done.Wait()
	select {
	case err := <-w.errs:
		require.NoError(t, err)
	default:
	}
}

// requireRows demands exactly the acknowledged rows, none missing and none more.
func requireRows(t testing.TB, dir string, o Options, acknowledged []uint64) {
	t.Helper()
	o.ReadOnly = true
	e, err := Open(dir, o)
	require.NoError(t, err)
	it, err := e.NewIter([]byte{1}, []byte{2})
	require.NoError(t, err)
	found := make([]uint64, len(acknowledged))
	for it.Next() {
		i := int(it.Key()[1])
		if !bytes.Equal(rowKey(i, found[i]), it.Key()) {
			require.Equal(t, rowKey(i, found[i]), it.Key(), "rows of writer %d have a hole", i)
		}
		found[i]++
	}
	require.NoError(t, it.Err())
	require.NoError(t, it.Close())
	require.NoError(t, e.Close())
	require.Equal(t, acknowledged, found)
}

// Every piece holds exactly the writes acknowledged at the cut: with writers
// before and after it, most of them unsynced, at sizes that grow.
func TestCutHoldsExactlyWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	o := Options{MemTableBytes: 1 << 20, CacheBytes: 4 << 20}
	e := open(t, filepath.Join(dir, "db"), o)
	linked := 0
	acknowledged := make([]uint64, 8)
	rounds := 24
	if bubbles.Race { // it makes them ten times as long
		rounds = 10
	}
	for round := range rounds {
		w := startWriters(e, acknowledged, 2000)
		w.feed(20 * (round + 1))
		var feeding sync.WaitGroup
		feeding.Go(func() { w.feed(250) }) // through prepare, cut and links
		if round%3 != 0 {
			require.NoError(t, e.PrepareCut(t.Context()))
		}
		piece := filepath.Join(dir, fmt.Sprint("piece", round))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		c, atCut, held, err := w.cut(ctx, piece)
		require.NoError(t, err)
		require.NoError(t, c.Wait(ctx))
		cancel()
		feeding.Wait()
		w.feed(8)
		w.finish(t)
		copy(acknowledged, w.acknowledged)
		require.NotEqual(t, atCut, acknowledged, "no write followed the cut: the test proves too little")
		n := requireOwnFiles(t, piece)
		linked += n
		t.Logf("round %d: %d rows, %d tables, gate held %s", round, sum(atCut), n, held)
		requireRows(t, piece, o, atCut)
	}
	require.Positive(t, linked, "no table was ever linked: the test proves too little")
}

func sum(numbers []uint64) (s uint64) {
	for _, n := range numbers {
		s += n
	}
	return s
}

// requireOwnFiles demands that nothing but tables is shared with the engine: a log
// or manifest may still be written to. It counts the tables.
func requireOwnFiles(t testing.TB, piece string) (tables int) {
	t.Helper()
	entries, err := os.ReadDir(piece)
	require.NoError(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		if IsImmutable(entry.Name()) {
			tables++
		} else {
			require.EqualValues(t, 1, info.Sys().(*syscall.Stat_t).Nlink, "%s is shared", entry.Name())
		}
	}
	return tables
}

// A table of the piece is the same file as the engine's.
func TestCutLinksTables(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	var log []string
	logged := vfs.WithLogging(vfs.Default, func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, fmt.Sprintf(format, args...))
	})
	e := open(t, filepath.Join(dir, "db"), small(logged))
	fill(t, e, 0, 200)
	require.NoError(t, e.PrepareCut(t.Context()))
	piece := filepath.Join(dir, "piece")
	c, err := e.BeginCut(t.Context(), piece)
	require.NoError(t, err)
	require.NoError(t, c.Wait(t.Context()))
	tables, err := filepath.Glob(filepath.Join(piece, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	mu.Lock()
	defer mu.Unlock()
	operations := strings.Join(log, "\n")
	for _, table := range tables {
		original := filepath.Join(dir, "db", filepath.Base(table))
		require.Contains(t, operations, fmt.Sprintf("link: %s -> %s", original, table))
		a, err := os.Stat(original)
		require.NoError(t, err)
		b, err := os.Stat(table)
		require.NoError(t, err)
		require.True(t, os.SameFile(a, b))
	}
}

func fill(t testing.TB, e *Engine, from, to int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, uint64(from)))
	for i := from; i < to; i++ {
		value := make([]byte, 4096)
		for j := 0; j < len(value); j += 8 {
			binary.BigEndian.PutUint64(value[j:], rng.Uint64())
		}
		put(t, e, fmt.Sprintf("k%06d", i), string(value), false)
	}
}

// The cut leans on an order inside Pebble: a checkpoint fixes its version and its
// list of logs before it makes its folder. If this test fails after an update of
// Pebble, BeginCut does not fix anything any more: do not update before the cut
// has found another way.
func TestCutOrderInsidePebble(t *testing.T) {
	for _, flush := range []bool{false, true} {
		mem := vfs.NewMem()
		e := open(t, "db", small(mem))
		fill(t, e, 0, 100)
		put(t, e, "before", "", false)
		c := &Cut{
			e: e, copy: newCutCopy("piece", "db"), newLog: math.MaxUint64, // the cut's own check must not hide the answer
			done: make(chan struct{}),
		}
		e.cutting <- struct{}{}
		e.fs.watch(c.copy)
		e.work.Go(c.checkpoint)
		<-c.copy.folder
		put(t, e, "between", "", false) // to a log on the list, which is copied later
		require.NoError(t, e.rotate())
		put(t, e, "after", "", true) // to a log that must not be on the list
		fill(t, e, 100, 300)
		if flush { // to tables that must not be in the version
			require.NoError(t, e.db.Flush())
			require.NoError(t, e.db.Compact(t.Context(), []byte("a"), []byte("z"), false))
		}
		c.copy.goOn()
		require.NoError(t, c.Wait(t.Context()))

		p := open(t, "piece", Options{FS: mem, ReadOnly: true})
		require.True(t, has(t, p, "before"), "flush %t: an unsynced write before the folder is missing", flush)
		require.True(t, has(t, p, "between"), "flush %t: the logs on the list are copied after they are closed", flush)
		require.False(t, has(t, p, "after"), "flush %t: Pebble fixes its list of logs after it makes its folder", flush)
		require.False(t, has(t, p, "k000299"), "flush %t: Pebble fixes its version after it makes its folder", flush)
		require.Len(t, all(t, p, []byte("k"), []byte("l")), 100)
	}
}

// If the order changes all the same, the cut's own check refuses the piece.
func TestCutRefusesYoungerFiles(t *testing.T) {
	mem := vfs.NewMem()
	e := open(t, "db", small(mem))
	put(t, e, "a", "", false)
	c := &Cut{
		e: e, copy: newCutCopy("piece", "db"), newLog: 2, // pretend that the cut was long ago
		done: make(chan struct{}),
	}
	e.cutting <- struct{}{}
	e.fs.watch(c.copy)
	e.work.Go(c.checkpoint)
	c.copy.goOn()
	require.ErrorContains(t, c.Wait(t.Context()), "younger than the cut")
	requireGone(t, mem, "piece")
}

func requireGone(t testing.TB, v vfs.FS, path string) {
	t.Helper()
	_, err := v.Stat(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// hookFS asks before each operation that names a file.
type hookFS struct {
	vfs.FS
	before func(op, name string) error
}

func (h hookFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := h.before("create", name); err != nil {
		return nil, err
	}
	return h.FS.Create(name, c)
}

func (h hookFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := h.before("create", to); err != nil {
		return nil, err
	}
	return h.FS.ReuseForWrite(from, to, c)
}

func (h hookFS) Link(from, to string) error {
	if err := h.before("link", to); err != nil {
		return err
	}
	return h.FS.Link(from, to)
}

// A cut that misses its deadline in the rotation gives the gate back at once and
// leaves nothing behind; the next one succeeds.
func TestCutMissesItsDeadline(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var slow atomic.Bool
		e, err := Open("db", small(hookFS{mem, func(op, name string) error {
			if slow.Load() && op == "create" && strings.HasSuffix(name, ".log") {
				time.Sleep(7 * time.Second)
			}
			return nil
		}}))
		require.NoError(t, err)
		put(t, e, "a", "1", true) // synced: a background sync would wait on a mutex, which stops the bubble's clock
		slow.Store(true)
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err = e.BeginCut(ctx, "piece")
		require.ErrorIs(t, err, apierror.CutMissed)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 200*time.Millisecond, time.Since(begun))

		slow.Store(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		requireGone(t, mem, "piece")
		c, err := e.BeginCut(t.Context(), "piece")
		require.NoError(t, err)
		require.NoError(t, c.Wait(t.Context()))
		require.NoError(t, e.Close())
		requirePiece(t, mem, "piece", "a")
	})
}

func requirePiece(t testing.TB, v vfs.FS, dir, key string) {
	t.Helper()
	p, err := Open(dir, Options{FS: v, ReadOnly: true})
	require.NoError(t, err)
	require.True(t, has(t, p, key))
	require.NoError(t, p.Close())
}

// Only one cut at a time: another waits for its turn, within its deadline.
func TestSecondCutWaitsForTheFirst(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		e, err := Open("db", small(hookFS{mem, func(op, name string) error {
			if strings.HasPrefix(name, "piece1") && strings.Contains(name, "OPTIONS") {
				time.Sleep(time.Second)
			}
			return nil
		}}))
		require.NoError(t, err)
		first, err := e.BeginCut(t.Context(), "piece1")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = e.BeginCut(ctx, "piece2")
		require.ErrorIs(t, err, apierror.CutMissed)
		require.ErrorIs(t, first.Wait(ctx), context.DeadlineExceeded)
		second, err := e.BeginCut(t.Context(), "piece2")
		require.NoError(t, err)
		require.NoError(t, first.Wait(t.Context()))
		require.NoError(t, second.Drop())
		requireGone(t, mem, "piece2")
		require.NoError(t, e.Close())
	})
}

// Where a link fails Pebble would copy, and hide it. The cut fails instead.
func TestCutRefusesToCopyTables(t *testing.T) {
	mem := vfs.NewMem()
	fired := 0
	e := open(t, "db", small(hookFS{mem, func(op, name string) error {
		if op == "link" && strings.HasPrefix(name, "piece") {
			fired++
			return syscall.EXDEV
		}
		return nil
	}}))
	fill(t, e, 0, 100)
	require.NoError(t, e.PrepareCut(t.Context()))
	c, err := e.BeginCut(t.Context(), "piece")
	require.NoError(t, err)
	require.ErrorContains(t, c.Wait(t.Context()), "could not be linked")
	require.Positive(t, fired)
	requireGone(t, mem, "piece")
	put(t, e, "still", "writable", true)
}

// A disk that is full while the files of a cut are made costs the cut, not the
// engine, and the space is given back.
func TestCutOnAFullDisk(t *testing.T) {
	for _, file := range []string{"MANIFEST", "OPTIONS", ".log", ".sst"} {
		mem := vfs.NewMem()
		fired := 0
		e := open(t, "db", small(hookFS{mem, func(_, name string) error {
			if strings.HasPrefix(name, "piece") && strings.Contains(name, file) {
				fired++
				return &fs.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
			}
			return nil
		}}))
		fill(t, e, 0, 100)
		require.NoError(t, e.PrepareCut(t.Context()))
		c, err := e.BeginCut(t.Context(), "piece")
		require.NoError(t, err)
		err = c.Wait(t.Context())
		require.Positive(t, fired, file)
		require.Error(t, err, file)
		if file != ".sst" { // there the refused copy is what is reported
			require.ErrorIs(t, err, apierror.NoSpace, file)
		}
		requireGone(t, mem, "piece")
		put(t, e, "still", "writable", true)
	}
}

// A piece that was waited for survives a crash in the next moment.
func TestCutIsDurable(t *testing.T) {
	mem := vfs.NewCrashableMem()
	e := open(t, "data/db", small(mem))
	fill(t, e, 0, 150)
	c, err := e.BeginCut(t.Context(), "data/piece")
	require.NoError(t, err)
	require.NoError(t, c.Wait(t.Context()))
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, Check(crashed, "data/piece"))
	p := open(t, "data/piece", Options{FS: crashed, ReadOnly: true})
	require.Len(t, all(t, p, nil, nil), 150)
}

func TestPrepareCutIsBounded(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e, err := Open("db", small(hookFS{vfs.NewMem(), func(_, name string) error {
			if strings.HasSuffix(name, ".sst") {
				time.Sleep(time.Minute)
			}
			return nil
		}}))
		require.NoError(t, err)
		put(t, e, "a", "1", false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, e.PrepareCut(ctx), context.DeadlineExceeded)
		require.NoError(t, e.PrepareCut(t.Context()))
		require.NoError(t, e.Close())
	})
}

// Close ends a cut that is being made; no caller waits for ever.
func TestCloseWhileCutting(t *testing.T) {
	mem := vfs.NewMem()
	e := open(t, "db", small(mem))
	fill(t, e, 0, 50)
	c, err := e.BeginCut(t.Context(), "piece")
	require.NoError(t, err)
	require.NoError(t, e.Close())
	require.NoError(t, c.Wait(t.Context()), "past its folder, a cut is completed first")
}
