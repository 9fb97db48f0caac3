package store

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestLargestEntry: the largest entry that agents let in can be read after the log was opened again, and entries
// go on behind it. raft-wal takes a larger one too, and does not read it.
func TestLargestEntry(t *testing.T) {
	fs := vfs.NewMem()
	open := func() *Store {
		s, err := Open(Config{Dir: "agent", FS: fs, Logger: hclog.NewNullLogger()})
		require.NoError(t, err)
		return s
	}
	s := open()
	require.Less(t, s.MaxBody, int64(s.MaxEntry), "an entry is its request and a few bytes")
	require.NoError(t, s.Stable.SetUint64([]byte(keyTerm), 1))
	largest := make([]byte, s.MaxEntry)
	largest[0], largest[len(largest)-1] = 1, 2
	require.NoError(t, s.Log.StoreLog(&raft.Log{Index: 1, Term: 1, Data: largest}))
	require.NoError(t, s.Close())
	s = open()
	require.NoError(t, s.Log.StoreLog(&raft.Log{Index: 2, Term: 1, Data: []byte("next")}))
	require.NoError(t, s.Close())
	s = open()
	var got raft.Log
	require.NoError(t, s.Log.GetLog(1, &got))
	require.True(t, string(largest) == string(got.Data), "it is another entry") // Equal would print it
	require.NoError(t, s.Log.GetLog(2, &got))
	require.Equal(t, "next", string(got.Data))
	require.NoError(t, s.Close())
}
