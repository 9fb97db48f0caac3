package store

import (
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestLargestEntry: the largest entry that agents let in can be read after the log was opened again, and entries
// go on behind it. raft-wal takes a larger one too, and does not read it.
func TestLargestEntry(t *testing.T) {
	require.Less(t, walMaxBody, walMaxEntry, "an entry is its request and a few bytes")
	dir := t.TempDir()
	open := func() *orderedLog {
		log, err := systemWAL(dir, hclog.NewNullLogger()).open()
		require.NoError(t, err)
		return log
	}
	largest := make([]byte, walMaxEntry)
	largest[0], largest[len(largest)-1] = 1, 2
	log := open()
	require.NoError(t, log.StoreLog(&raft.Log{Index: 1, Term: 1, Data: largest}))
	require.NoError(t, log.Close())
	log = open()
	require.NoError(t, log.StoreLog(&raft.Log{Index: 2, Term: 1, Data: []byte("next")}))
	require.NoError(t, log.Close())
	log = open()
	var got raft.Log
	require.NoError(t, log.GetLog(1, &got))
	require.True(t, string(largest) == string(got.Data), "it is another entry") // Equal would print it
	require.NoError(t, log.GetLog(2, &got))
	require.Equal(t, "next", string(got.Data))
	require.NoError(t, log.Close())
}
