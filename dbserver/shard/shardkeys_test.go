package shard

import (
	"testing"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// A write that names attributes as shard keys leaves their values as they are, however they are written.
func TestShardKeysStay(t *testing.T) {
	s := fresh(t)
	for _, c := range []struct {
		stored, given string
		kind          dbclient.OpKind
		drop, nested  bool
		ok            bool
	}{
		{`{"a":1,"b":"x"}`, `{"b":"x","a":1.0,"c":1}`, dbclient.OpReplace, false, false, true},
		{`{"a":1,"b":"x"}`, `{"c":1}`, dbclient.OpUpdate, false, false, true},
		{`{"a":1,"b":"x"}`, `{"c":1}`, dbclient.OpReplace, false, false, false},
		{`{"a":1,"b":"x"}`, `{"a":"1"}`, dbclient.OpUpdate, false, false, false},
		{`{"a":1,"b":"x"}`, `{"b":null}`, dbclient.OpUpdate, true, false, false},
		{`{"a":1}`, `{"b":null}`, dbclient.OpUpdate, false, false, true},
		{`{"a":1,"b":null}`, `{"a":1}`, dbclient.OpReplace, false, false, true},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":1}}`, dbclient.OpUpdate, false, false, true},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":1}}`, dbclient.OpUpdate, false, true, false},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"y":2,"x":1}}`, dbclient.OpReplace, false, false, true},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":null}}`, dbclient.OpUpdate, true, false, false},
	} {
		do(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(c.stored), OverwriteMode: dbclient.OverwriteReplace})
		before := one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: "k"})
		op := dbclient.Op{Kind: c.kind, Key: "k", Document: raw(c.given), DropNulls: c.drop, ReplaceNested: c.nested, ShardKeys: []string{"a", "_key", "b"}}
		r := one(t, s, op)
		if c.ok {
			require.Nil(t, r.Error, "%s: %s", c.stored, c.given)
			continue
		}
		require.NotNil(t, r.Error, "a document is on the wrong shard: %s: %s", c.stored, c.given)
		require.ErrorIs(t, r.Error, apierror.ShardKeysChanged)
		require.Equal(t, 400, r.Error.Status())
		require.Equal(t, before.New, one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: "k"}).New)
		op.ShardKeys = nil
		require.Nil(t, one(t, s, op).Error)
	}
}
