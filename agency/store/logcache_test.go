package store

import (
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// The cache is bounded in entries and in bytes, and never tells of an entry that is not
// in the log.
func TestLogCacheIsBounded(t *testing.T) {
	store := raft.NewInmemStore()
	c := &cachedLog{LogStore: store}
	entry := func(index uint64, size int) *raft.Log {
		return &raft.Log{Index: index, Term: 1, Data: make([]byte, size)}
	}
	for i := uint64(1); i <= 1000; i++ {
		require.NoError(t, c.StoreLog(entry(i, 10)))
	}
	require.Len(t, c.newest, logCache)
	for i := uint64(1001); i <= 1050; i++ {
		require.NoError(t, c.StoreLog(entry(i, 2<<20)))
		require.LessOrEqual(t, c.bytes, logCacheBytes, "the cache of Raft's log holds more than it may")
	}
	require.Len(t, c.newest, 8)
	var got raft.Log
	for _, i := range []uint64{1, 1001, 1050} {
		require.NoError(t, c.GetLog(i, &got))
		require.Equal(t, i, got.Index)
	}
	require.NoError(t, c.StoreLog(entry(1051, logCacheBytes+1)))
	require.Empty(t, c.newest, "what is too large alone is read from the disk")
	require.NoError(t, c.GetLog(1051, &got))

	require.NoError(t, c.StoreLogs([]*raft.Log{entry(1052, 1), entry(1053, 1), entry(1054, 1)}))
	require.NoError(t, c.DeleteRange(1053, 1054)) // replaced by another leader's
	require.ErrorIs(t, c.GetLog(1054, &got), raft.ErrLogNotFound)
	require.NoError(t, c.StoreLog(entry(1053, 7)))
	require.NoError(t, c.GetLog(1053, &got))
	require.Len(t, got.Data, 7)
	require.NoError(t, c.DeleteRange(1, 1053))
	require.NoError(t, c.StoreLog(entry(5000, 1)), "after a snapshot")
	require.ErrorIs(t, c.GetLog(1054, &got), raft.ErrLogNotFound)
	require.NoError(t, c.GetLog(5000, &got))
}
