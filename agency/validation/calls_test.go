package validation

import (
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestEntryThatTheLogDoesNotTake: raft-wal stores an entry that it cannot read again.
func TestEntryThatTheLogDoesNotTake(t *testing.T) {
	c := Calls{MaxEntry: 100}
	call := &raft.AppendEntriesRequest{Term: 1, Entries: []*raft.Log{{Index: 1, Term: 1, Type: raft.LogNoop, Extensions: make([]byte, 100)}}}
	require.NoError(t, c.Check(call))
	call.Entries[0].Extensions = make([]byte, 101)
	require.ErrorContains(t, c.Check(call), "it has 101 bytes, and the log takes 100")
}
