package store

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/engine"
	"stasis/dbserver/replica"
	"stasis/dbserver/shard"
)

// A shard that could not be dropped is still there to be dropped, or its documents
// would take their space until the next start.
func TestFailedDropIsNotForgotten(t *testing.T) {
	e, err := engine.Open("engine", engine.Options{FS: vfs.NewMem(), CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	require.NoError(t, err)
	s, err := Open(e, &shard.Clock{}, replica.Home{})
	require.NoError(t, err)
	require.NoError(t, s.Create("s1"))
	require.NoError(t, s.Create("s2"))
	require.NoError(t, s.Drop("s2"))
	require.NoError(t, e.Close()) // as good as a disk that fails
	require.Error(t, s.Drop("s1"))
	require.Equal(t, []string{"s1"}, s.Names())
}
