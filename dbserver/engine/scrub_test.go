package engine

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/engine/sums"
	"stasis/internal/bubbles"
)

// findings are what a scrub has found.
type findings struct {
	mu    sync.Mutex
	found []string
}

func (f *findings) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.found)
}

// scrubbed makes options of an engine that scrubs, and tells what it finds.
func scrubbed(disk vfs.FS, into *findings) Options {
	o := small(disk)
	o.Scrub = &Scrub{Hold: func() bool { return false }, Found: func(table string, _ error) {
		into.mu.Lock()
		defer into.mu.Unlock()
		into.found = append(into.found, table)
	}}
	return o
}

func flip(t testing.TB, disk vfs.FS, path string, at int64) {
	t.Helper()
	f, err := disk.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	one := make([]byte, 1)
	_, err = f.ReadAt(one, at)
	require.NoError(t, err)
	one[0] ^= 1
	_, err = f.WriteAt(one, at)
	require.NoError(t, errors.Join(err, f.Close()))
}

// aTable is one of the engine's version, when the engine is at rest.
func aTable(t testing.TB, e *Engine) string {
	t.Helper()
	synctest.Wait()
	names, err := tablesOf(e)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return names[0]
}

// A byte that flips on the disk is found, and no cut is made that a restore would refuse.
func TestScrubFindsRot(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk, found := vfs.NewMem(), &findings{}
		e := open(t, "e", scrubbed(disk, found))
		writeRandom(t, e, rand.New(rand.NewPCG(1, 2)), 100)
		require.NoError(t, e.db.Compact(t.Context(), []byte("a"), []byte("z"), false))
		bad := aTable(t, e)
		flip(t, disk, "e/"+bad, 1000)
		time.Sleep(time.Minute)
		require.Equal(t, []string{bad}, found.all())
		require.ErrorContains(t, e.PrepareCut(t.Context()), "table "+bad+" is damaged", "writers are held for a cut that cannot be")
		s, err := e.Scrubbed()
		require.NoError(t, err)
		require.Len(t, s.Damaged, 1)
		require.Equal(t, bad, s.Damaged[0].Name)
		require.Zero(t, s.Unread)
		require.Positive(t, s.Tables)
		c, err := e.BeginCut(t.Context(), "cut")
		require.NoError(t, err)
		require.ErrorContains(t, c.Wait(t.Context()), "table "+bad+" is damaged", "a backup of a table that is known to be damaged")
		require.NoError(t, c.Drop())
	})
}

// Tables without a sum are checked by the checksums of their blocks, and have sums then.
func TestScrubFindsSums(t *testing.T) {
	for _, rot := range []bool{false, true} {
		bubbles.Test(t, func(t *testing.T) {
			disk, found := vfs.NewMem(), &findings{}
			e, err := Open("e", small(disk))
			require.NoError(t, err)
			writeRandom(t, e, rand.New(rand.NewPCG(1, 2)), 100)
			require.NoError(t, e.db.Compact(t.Context(), []byte("a"), []byte("z"), false))
			bad := aTable(t, e)
			require.NoError(t, e.Close())
			require.NoError(t, disk.Remove("e/"+sums.File))
			if rot {
				flip(t, disk, "e/"+bad, 1000)
			}
			e = open(t, "e", scrubbed(disk, found))
			time.Sleep(time.Minute)
			if rot {
				require.Equal(t, []string{bad}, found.all())
				return
			}
			require.Empty(t, found.all())
			known, tables := sumsOfCut(t, disk, e, "cut", "after a scrub")
			require.Positive(t, tables)
			require.Equal(t, tables, known, "a table that was scrubbed has a sum")
		})
	}
}

// A scrub reads nothing while a cut is made.
func TestScrubWaitsForCuts(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk, found := vfs.NewMem(), &findings{}
		e := open(t, "e", scrubbed(disk, found))
		put(t, e, "key", "value", true)
		require.NoError(t, e.db.Flush())
		bad := aTable(t, e)
		flip(t, disk, "e/"+bad, 5)
		held := newCutCopy("cut", "e")
		e.fs.watch(held)
		time.Sleep(time.Hour)
		require.Empty(t, found.all(), "it reads while a cut is made")
		e.fs.unwatch()
		time.Sleep(time.Minute)
		require.Contains(t, found.all(), bad)
	})
}
