package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/engine/sums"
)

// hashOf is the SHA-256 of a file, read.
func hashOf(t testing.TB, disk vfs.FS, path string) (size int64, sum string) {
	t.Helper()
	f, err := disk.Open(path)
	require.NoError(t, err)
	h := sha256.New()
	size, err = io.Copy(h, f)
	require.NoError(t, errors.Join(err, f.Close()))
	return size, hex.EncodeToString(h.Sum(nil))
}

// sumsOfCut compares what a cut says of its tables with the tables, and counts those of which it says
// something.
func sumsOfCut(t testing.TB, disk vfs.FS, e *Engine, dir, why string) (known, tables int) {
	t.Helper()
	require.NoError(t, disk.RemoveAll(dir)) // what a crash has left
	c, err := e.BeginCut(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, c.Wait(t.Context()))
	names, err := disk.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		if !IsImmutable(name) {
			_, _, any := c.Sum(name)
			require.False(t, any, name)
			continue
		}
		tables++
		size, sum, ok := c.Sum(name)
		if !ok {
			continue
		}
		known++
		isSize, is := hashOf(t, disk, disk.PathJoin(dir, name))
		require.Equal(t, is, sum, "a wrong sum of %s: %s", name, why)
		require.Equal(t, isSize, size, "%s: %s", name, why)
	}
	require.NoError(t, c.Drop())
	return known, tables
}

func writeRandom(t testing.TB, e *Engine, random *rand.Rand, n int) {
	t.Helper()
	value := make([]byte, 8<<10)
	for range n {
		for i := range value {
			value[i] = byte(random.Uint32())
		}
		put(t, e, fmt.Sprintf("key%03d", random.IntN(200)), string(value), random.IntN(20) == 0)
	}
}

// All tables of an engine that was closed in order have sums, in its own process and in the next.
func TestTablesHaveSums(t *testing.T) {
	for name, disk := range map[string]vfs.FS{"memory": vfs.NewMem(), "disk": vfs.Default} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, disk.MkdirAll(dir, 0o700))
			random := rand.New(rand.NewPCG(1, 2))
			for round := range 3 {
				e, err := Open(filepath.Join(dir, "e"), small(disk))
				require.NoError(t, err)
				if round > 0 {
					known, tables := sumsOfCut(t, disk, e, filepath.Join(dir, "before"), "opened again")
					require.Positive(t, tables)
					require.Equal(t, tables, known, "a restart has lost a sum")
				}
				writeRandom(t, e, random, 200)
				known, tables := sumsOfCut(t, disk, e, filepath.Join(dir, "after"), "in the process that wrote them")
				require.Positive(t, tables)
				require.Equal(t, tables, known)
				require.NoError(t, e.Close())
			}
		})
	}
}

// crashAt keeps the disk as a crash at its n-th operation that writes leaves it.
type crashAt struct {
	mem   *vfs.MemFS
	left  atomic.Int64
	once  sync.Once
	clone *vfs.MemFS
	seed  uint64
}

func (c *crashAt) fs() vfs.FS {
	return errorfs.Wrap(c.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && c.left.Add(-1) <= 0 {
			c.once.Do(func() {
				random := rand.New(rand.NewPCG(c.seed, 7))
				c.clone = c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
			})
		}
		return nil
	}))
}

// Whenever a process dies, and however often: what the next one says of a table is right.
func TestSumsAreRightAfterCrashes(t *testing.T) {
	knownAfter := 0
	for seed := range uint64(16) {
		random := rand.New(rand.NewPCG(seed, 3))
		mem := vfs.NewCrashableMem()
		for crash := range 4 {
			c := &crashAt{mem: mem, seed: seed<<8 | uint64(crash)}
			c.left.Store(int64(1 + random.IntN(900)))
			e, err := Open("e", small(c.fs()))
			require.NoError(t, err)
			why := fmt.Sprintf("seed %d, after %d crashes", seed, crash)
			known, _ := sumsOfCut(t, mem, e, "cut", why)
			if crash > 0 {
				knownAfter += known
			}
			writeRandom(t, e, random, 120)
			sumsOfCut(t, mem, e, "cut", why)
			require.NoError(t, e.Close())
			if c.clone == nil {
				c.clone = mem.CrashClone(vfs.CrashCloneCfg{})
			}
			mem = c.clone
		}
	}
	require.Greater(t, knownAfter, 16, "hardly a sum outlives a crash: the test proves too little")
}

// The file of sums is bounded by what the engine has.
func TestSumsGoWithTheirTables(t *testing.T) {
	mem := vfs.NewMem()
	e, err := Open("e", small(mem))
	require.NoError(t, err)
	writeRandom(t, e, rand.New(rand.NewPCG(5, 5)), 1500)
	require.NoError(t, e.db.Compact(t.Context(), []byte("a"), []byte("z"), false))
	made := e.db.Metrics().Compact.Count
	require.Greater(t, made, int64(5))
	require.NoError(t, e.Close())
	names, err := mem.List("e")
	require.NoError(t, err)
	tables := 0
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			tables++
		}
	}
	info, err := mem.Stat("e/" + sums.File)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(200*(tables+2)))
}
