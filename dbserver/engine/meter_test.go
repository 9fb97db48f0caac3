package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// The meter of a flush and of a cut counts what has been done for it: tables that were
// written, links and copies that were made. What others do in the engine does not count
// for a cut.
func TestMeterFollowsFlushAndCut(t *testing.T) {
	fs := vfs.NewMem()
	e, err := Open("engine", Options{FS: fs, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	write := func(key string) {
		b := e.NewBatch()
		require.NoError(t, b.Set([]byte(key), make([]byte, 1000)))
		require.NoError(t, b.Commit(true))
	}
	write("a")
	flush := &Meter{}
	ctx := WithMeter(t.Context(), flush)
	require.NoError(t, e.PrepareCut(ctx))
	what, flushed := flush.Read()
	require.Contains(t, what, "write stall")
	require.Positive(t, flushed)

	c, err := e.BeginCut(t.Context(), "cut")
	require.NoError(t, err)
	cut := &Meter{}
	require.NoError(t, c.Wait(WithMeter(t.Context(), cut)))
	what, linked := cut.Read()
	require.Contains(t, what, "links and copies")
	require.Positive(t, linked)
	write("b")
	require.NoError(t, e.PrepareCut(t.Context()))
	_, after := cut.Read()
	require.Equal(t, linked, after, "the cut is done")
	require.NoError(t, c.Drop())
}

// What fails or has not returned is not counted, and work without a meter needs none.
func TestMeterCountsWhatHasReturned(t *testing.T) {
	m, gate := &Meter{}, make(chan struct{})
	hangs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync:
			<-gate
		case errorfs.OpRename:
			return errors.New("no")
		}
		return nil
	}))
	fs := m.FS(hangs)
	f, err := fs.Create("x", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write([]byte("x"))
	require.NoError(t, err)
	_, done := m.Read()
	require.EqualValues(t, 2, done)
	require.Error(t, fs.Rename("x", "y"))
	synced := make(chan error)
	go func() { synced <- f.Sync() }()
	_, hung := m.Read()
	require.Equal(t, done, hung)
	close(gate)
	require.NoError(t, <-synced)
	_, after := m.Read()
	require.Equal(t, done+1, after)
	require.NoError(t, f.Close())

	none := MeterOf(context.Background())
	require.Nil(t, none)
	none.Doing("nothing", nil)
	require.Equal(t, hangs, none.FS(hangs))
}
