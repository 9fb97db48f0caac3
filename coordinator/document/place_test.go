package document

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/shardkey"
)

func placed() Rules {
	r := rules()
	r.ShardKeys = shardkey.Keys{"a", "b"}
	return r
}

// at is where a document with these shard keys is.
func at(t *testing.T, raw string) shardkey.Spot {
	t.Helper()
	b, err := ParseBody(json.RawMessage(raw))
	require.NoError(t, err)
	return placed().ShardKeys.Spot(b.valueOf("k"))
}

func TestPlaceOfAnInsert(t *testing.T) {
	op, err := placed().Insert(t.Context(), json.RawMessage(`{"b":"2","c":3,"a":1.0}`))
	require.NoError(t, err)
	require.Equal(t, at(t, `{"a":1,"b":"2"}`), op.Spot)
	require.Empty(t, op.ShardKeys, "it meets no document")
	op, err = placed().Insert(t.Context(), json.RawMessage(`{"c":3,"b":null}`))
	require.NoError(t, err)
	require.Equal(t, at(t, `{}`), op.Spot, "what is missing is null")
	for _, mode := range []dbclient.OverwriteMode{"", dbclient.OverwriteReplace, dbclient.OverwriteUpdate, dbclient.OverwriteIgnore} {
		r := placed()
		r.OverwriteMode = mode
		_, err = r.Insert(t.Context(), json.RawMessage(`{"_key":"k","a":1,"b":2}`))
		require.ErrorIs(t, err, apierror.KeyNotAllowed)
		r.DenyUserKeys = true
		_, err = r.Insert(t.Context(), json.RawMessage(`{"_key":"k","a":1,"b":2}`))
		require.ErrorIs(t, err, apierror.KeyUnexpected)
	}
	r := placed()
	r.ShardKeys = shardkey.Keys{"_key", "a"}
	op, err = r.Insert(t.Context(), json.RawMessage(`{"a":1}`))
	require.NoError(t, err)
	b, err := ParseBody(json.RawMessage(`{"a":1}`))
	require.NoError(t, err)
	require.Equal(t, r.ShardKeys.Spot(b.valueOf("77")), op.Spot, "the new key is one of the values")
}

func TestPlaceOfWhatIsChanged(t *testing.T) {
	unknown := shardkey.Spot{}
	for _, test := range []struct {
		kind dbclient.OpKind
		body string
		spot shardkey.Spot
	}{
		{dbclient.OpReplace, `{"a":1,"b":null}`, at(t, `{"a":1}`)},
		{dbclient.OpUpdate, `{"a":1,"b":null}`, at(t, `{"a":1}`)},
		{dbclient.OpUpdate, `{"a":1}`, unknown},
		{dbclient.OpUpdate, `{}`, unknown},
		{dbclient.OpUpdate, `{"a":{"x":1},"b":1}`, unknown},
		{dbclient.OpReplace, `{"a":{"x":1},"b":1}`, at(t, `{"a":{"x":1},"b":1}`)},
	} {
		op, err := placed().Modify(test.kind, "k", json.RawMessage(test.body))
		require.NoError(t, err)
		require.Equal(t, test.spot, op.Spot, test.body)
		require.Equal(t, []string{"a", "b"}, op.ShardKeys, "the DB server sees that they stay")
	}
	_, err := placed().Modify(dbclient.OpReplace, "k", json.RawMessage(`{"a":1}`))
	require.ErrorIs(t, err, apierror.ShardKeysMissing, "a document would lose a shard key")
	require.EqualError(t, err, "not all sharding attributes given: the new document lacks b")
	for item, spot := range map[string]shardkey.Spot{`"k"`: unknown, `{"_key":"k"}`: unknown, `{"_key":"k","a":1}`: unknown, `{"_id":"c/k","a":1,"b":2}`: at(t, `{"a":1,"b":2}`)} {
		op, err := placed().Select(dbclient.OpRemove, json.RawMessage(item))
		require.NoError(t, err)
		require.Equal(t, spot, op.Spot, item)
	}
	op, err := rules().Modify(dbclient.OpReplace, "k", json.RawMessage(`{}`))
	require.NoError(t, err)
	require.Empty(t, op.ShardKeys)
}
