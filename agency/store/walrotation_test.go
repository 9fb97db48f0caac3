package store

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"
	"github.com/stretchr/testify/require"
)

// deadMeta dies before it writes the list of segments a second time, as a process does.
type deadMeta struct {
	*metadb.BoltMetaDB
	commits atomic.Int64
}

func (m *deadMeta) CommitState(s types.PersistentState) error {
	if m.commits.Add(1) > 1 {
		return errors.New("it has died")
	}
	return m.BoltMetaDB.CommitState(s)
}

// TestRotationThatWasCutShort: a process dies when a segment is full and the next one is
// not there yet. The log goes on with every entry.
func TestRotationThatWasCutShort(t *testing.T) {
	entry := func(i uint64, size int) *raft.Log {
		return &raft.Log{Index: i, Term: 1, Data: make([]byte, size)}
	}
	const segment = 256 << 10
	for name, entries := range map[string][]int{"one entry": {segment + 1}, "several": {10, 20, segment}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			meta := &deadMeta{BoltMetaDB: &metadb.BoltMetaDB{}}
			log, err := wal.Open(dir, wal.WithLogger(hclog.NewNullLogger()), wal.WithSegmentSize(segment), wal.WithMetaStore(meta))
			require.NoError(t, err)
			for i, size := range entries {
				require.NoError(t, log.StoreLog(entry(uint64(i+1), size)))
			}
			require.NoError(t, log.Close())

			next := uint64(len(entries) + 1)
			for range 2 { // once mended, it is a log like any other
				files := systemWAL(dir, hclog.NewNullLogger())
				files.size = segment
				log, err := files.open()
				require.NoError(t, err)
				require.NoError(t, log.StoreLog(entry(next, 30)))
				next++
				for i, size := range entries {
					var got raft.Log
					require.NoError(t, log.GetLog(uint64(i+1), &got))
					require.Len(t, got.Data, size)
				}
				last, err := log.LastIndex()
				require.NoError(t, err)
				require.Equal(t, next-1, last)
				require.NoError(t, log.Close())
			}
		})
	}
}

// refusingLog is a log that lost its last segment's successor.
type refusingLog struct{ raft.LogStore }

func (refusingLog) StoreLogs([]*raft.Log) error { return types.ErrSealed }

// TestLogThatTakesNothingEndsTheAgent: a log that has to be opened again to take entries is
// no reason to stand for election for ever.
func TestLogThatTakesNothingEndsTheAgent(t *testing.T) {
	d := &Store{Log: refusingLog{raft.NewInmemStore()}, Stable: raft.NewInmemStore(), Snapshots: raft.NewInmemSnapshotStore()}
	d.wrap()
	for range 2 {
		require.ErrorContains(t, d.Log.StoreLog(&raft.Log{Index: 1, Term: 1}), types.ErrSealed.Error())
	}
	require.ErrorIs(t, <-d.Dead, types.ErrSealed)
}
