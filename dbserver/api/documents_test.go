package api

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// A request that ends in the middle of a list is answered for what was done.
func TestRestIsRefusedOneByOne(t *testing.T) {
	var ops []dbclient.Op
	for i := range chunkOps + 10 {
		ops = append(ops, dbclient.Op{Kind: dbclient.OpInsert, Key: fmt.Sprintf("k%05d", i), Document: json.RawMessage(`{}`)})
	}
	stopping := apierror.New(apierror.ShuttingDown, "server is shutting down")
	rest := refuseRest(dbclient.DocumentsResponse{Results: make([]dbclient.OpResult, chunkOps)}, ops, stopping)
	require.Len(t, rest.Results, len(ops))
	require.ErrorIs(t, rest.Results[chunkOps].Error, apierror.ShuttingDown)
	require.Equal(t, ops[chunkOps].Key, rest.Results[chunkOps].Key)
}

func TestShows(t *testing.T) {
	read, insert := dbclient.Op{Kind: dbclient.OpRead}, dbclient.Op{Kind: dbclient.OpInsert}
	done, refused := dbclient.OpResult{Key: "k"}, dbclient.OpResult{Error: apierror.New(apierror.UniqueConstraint, "")}
	require.False(t, shows([]dbclient.Op{insert, insert}, []dbclient.OpResult{done, done}))
	require.True(t, shows([]dbclient.Op{insert, read}, []dbclient.OpResult{done, done}))
	require.True(t, shows([]dbclient.Op{insert, insert}, []dbclient.OpResult{done, refused}), "a refusal tells what is stored")
	require.True(t, shows([]dbclient.Op{insert}, []dbclient.OpResult{{Ignored: true}}))
}
