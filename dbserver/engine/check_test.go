package engine

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

func TestCheckFindsDamage(t *testing.T) {
	mem := vfs.NewMem()
	e := open(t, "db", small(mem))
	fill(t, e, 0, 200)
	require.NoError(t, e.PrepareCut(t.Context()))
	for _, damage := range []string{"flip", "remove", "log"} {
		piece := "piece-" + damage
		put(t, e, "in the log", "", false)
		c, err := e.BeginCut(t.Context(), piece)
		require.NoError(t, err)
		require.NoError(t, c.Wait(t.Context()))
		require.NoError(t, Check(mem, piece))
		names, err := mem.List(piece)
		require.NoError(t, err)
		for _, name := range names {
			path := mem.PathJoin(piece, name)
			switch {
			case damage == "flip" && strings.HasSuffix(name, ".sst"):
				own := path + ".copy" // the link shares its bytes with the engine
				require.NoError(t, vfs.Copy(mem, path, own))
				require.NoError(t, mem.Rename(own, path))
				data, err := mem.UnsafeGetFileDataBuffer(path)
				require.NoError(t, err)
				data[len(data)/3] ^= 4
			case damage == "remove" && strings.HasSuffix(name, ".sst"), damage == "log" && strings.HasPrefix(name, "MANIFEST"):
				require.NoError(t, mem.Remove(path))
			}
		}
		err = Check(mem, piece)
		require.Error(t, err, damage)
		require.NotContains(t, err.Error(), detailCarrier, damage)
		var in *DirError
		require.ErrorAs(t, err, &in)
		if damage == "flip" {
			require.NotContains(t, in.Err.Error(), piece)
			require.NotContains(t, err.Error(), "\n")
			require.True(t, pebble.IsCorruptionError(err))
		}
	}
}
