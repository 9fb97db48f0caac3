package shard

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// Documents in results count to the request. What the server has no memory for is refused,
// and a write whose result it would be is not applied.
func TestResultsAreCounted(t *testing.T) {
	s := fresh(t)
	one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{"text":"` + strings.Repeat("x", 8<<20) + `"}`)})
	ops := []dbclient.Op{{Kind: dbclient.OpRead, Key: "k"}}
	account := budget.New(4 << 30).Open(budget.Client)
	results, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: ops, Account: account})
	require.NoError(t, err)
	require.GreaterOrEqual(t, account.Held(), int64(resultFactor*len(results[0].New)))

	account = budget.New(40 << 20).Open(budget.Client)
	results, err = s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: ops, Account: account})
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Error, apierror.EntityTooLarge)
	ops[0].Kind = dbclient.OpRemove
	results, err = s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: ops, ReturnOld: true, Account: account})
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Error, apierror.EntityTooLarge)
	require.Nil(t, one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: "k"}).Error, "what was refused was not applied")
}
