package backup

import (
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/engine"
)

// calls counts what is asked of the disk in the folder of a pending piece, by kind.
type calls struct {
	mu    sync.Mutex
	count map[call]int
}

type call struct {
	kind  errorfs.OpKind
	table bool
}

func (c *calls) disk() vfs.FS {
	return errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.Contains(op.Path, testID) || op.Kind == errorfs.OpLink { // of which the path is the old name
			c.mu.Lock()
			defer c.mu.Unlock()
			c.count[call{op.Kind, engine.IsImmutable(op.Path)}]++
		}
		return nil
	}))
}

func (c *calls) take() map[call]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer clear(c.count)
	return maps.Clone(c.count)
}

// callsOfCutAndLink makes a piece of so many tables.
func callsOfCutAndLink(t *testing.T, tables int) map[call]int {
	t.Helper()
	c := &calls{count: map[call]int{}}
	s := &server{t: t, fs: c.disk(), small: true}
	s.store = openStore(t, s.fs)
	o := testOptions
	o.FS, o.NoCompactions = s.fs, true
	var err error
	s.e, err = engine.Open("data/engine", o)
	require.NoError(t, err)
	for n := range tables {
		s.put(10*n, 10*n+10)
		require.NoError(t, s.store.Attempts.Prepare(t.Context(), s.e, testID, "n"))
	}
	c.take()
	_, err = s.store.Attempts.Cut(t.Context(), s.e, testID, "n")
	require.NoError(t, err)
	_, err = s.store.Attempts.Link(t.Context(), linkRequest(testID, "n"))
	require.NoError(t, err)
	made := c.take()
	require.NoError(t, s.e.Close())
	return made
}

// What a cut and a link ask of the disk is one hard link for each table, and one look at its size when the
// replicas are read. The rest is the same whatever the engine has.
func TestLinkReadsAndSyncsNoTable(t *testing.T) {
	few, many := callsOfCutAndLink(t, 3), callsOfCutAndLink(t, 30)
	link, size := call{errorfs.OpLink, true}, call{errorfs.OpStat, true}
	for made, tables := range map[*map[call]int]int{&few: 3, &many: 30} {
		require.Equal(t, tables, (*made)[link])
		require.Equal(t, tables, (*made)[size])
		delete(*made, link)
		delete(*made, size)
		for c := range *made {
			require.False(t, c.table, "operation %d of a table", c.kind)
		}
	}
	require.Equal(t, few, many, "it grows with the number of tables")
	syncs := many[call{errorfs.OpFileSync, false}]
	require.LessOrEqual(t, syncs, 8, "syncs of three files and the folder, and what Pebble's own files and folder need")
}
