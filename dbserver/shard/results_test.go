package shard

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// A short request cannot ask for more than an answer may hold: what goes beyond is refused,
// and a write among it is not applied.
func TestResultsAreBounded(t *testing.T) {
	s := fresh(t)
	one(t, s, client.Op{Kind: client.OpInsert, Key: "k", Document: raw(`{"text":"` + strings.Repeat("x", 8<<20) + `"}`)})
	var ops []client.Op
	for range 20 {
		ops = append(ops, client.Op{Kind: client.OpRead, Key: "k"})
	}
	ops = append(ops, client.Op{Kind: client.OpRemove, Key: "k"})
	account := budget.New(4 << 30).Open(budget.Client)
	results, err := s.Documents(t.Context(), client.DocumentsRequest{Collection: "c", Ops: ops, ReturnOld: true, Account: account})
	require.NoError(t, err)
	require.Len(t, results, 21)
	bytes := 0
	for _, r := range results {
		bytes += len(r.New)
	}
	require.LessOrEqual(t, bytes, client.MaxResultBytes, "a short request has a long answer")
	require.Nil(t, results[6].Error)
	for _, r := range results[8:] {
		require.ErrorIs(t, r.Error, apierror.EntityTooLarge)
		require.Empty(t, r.New)
	}
	require.GreaterOrEqual(t, account.Held(), int64(resultFactor*bytes))
	require.Nil(t, one(t, s, client.Op{Kind: client.OpRead, Key: "k"}).Error, "what was refused was not applied")

	account = budget.New(40 << 20).Open(budget.Client)
	results, err = s.Documents(t.Context(), client.DocumentsRequest{Collection: "c", Ops: ops[:1], Account: account})
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Error, apierror.EntityTooLarge, "and none more than the server has memory for")
}
