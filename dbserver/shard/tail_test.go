package shard

import (
	"encoding/json"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
)

// Records are applied in their order, and a write meets the last record about its key,
// when an earlier one is applied and when no other replica has to be waited for any more.
func TestWritesMeetTheTail(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	tenure := Tenure{Term: 1, Reboot: 1}
	require.NoError(t, s.Lead(tenure, undecided{}, false))
	do := func(kind dbclient.OpKind) {
		_, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: kind, Key: "k", Document: json.RawMessage(`{}`)}}})
		require.ErrorIs(t, err, errPending)
	}
	do(dbclient.OpInsert)
	do(dbclient.OpRemove)
	_, err = s.Commit(1)
	require.NoError(t, err)
	do(dbclient.OpInsert) // it is removed, though that is not applied
	require.Equal(t, uint64(1), s.State().Committed)
	s.Alone(tenure, true)
	do(dbclient.OpRemove)
	require.Equal(t, uint64(1), s.State().Committed, "what came before it is applied first")
	_, err = s.Commit(4)
	require.NoError(t, err)
	require.Zero(t, s.State().Count)
	require.NoError(t, s.Check(t.Context()))
}
