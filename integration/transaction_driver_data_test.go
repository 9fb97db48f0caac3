package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/arangodb/go-driver/v2/arangodb"
	"github.com/arangodb/go-driver/v2/arangodb/shared"
	"github.com/arangodb/go-driver/v2/connection"
	"github.com/stretchr/testify/require"
)

// operations are those of documents: a transaction sees its own, and the others see them when it has been committed.
func (x *inTransactions) operations(t *testing.T) {
	ctx := t.Context()
	one := x.of(t, x.db, "one")
	for n, key := range []string{"updated", "replaced", "removed", "kept"} {
		_, err := one.CreateDocument(ctx, map[string]any{"_key": key, "n": n, "old": true})
		require.NoError(t, err)
	}
	before := x.docs(t, one, "updated", "replaced", "removed", "kept", "inserted", "array1", "array2", "imported")
	trx := x.write(t, "one")
	in := x.of(t, trx, "one")
	inserted, err := in.CreateDocument(ctx, numbered{Key: "inserted", N: 5})
	require.NoError(t, err)
	updated, err := in.UpdateDocument(ctx, "updated", map[string]any{"n": 10})
	require.NoError(t, err)
	_, err = in.ReplaceDocument(ctx, "replaced", map[string]any{"n": 11})
	require.NoError(t, err)
	_, err = in.DeleteDocument(ctx, "removed")
	require.NoError(t, err)
	createAll(t, in, []map[string]any{{"_key": "array1", "n": 12}, {"_key": "array2", "n": 13}})
	_, err = in.CreateDocument(ctx, numbered{Key: "inserted"})
	refusedAs(t, err, 409, 1210)
	_, err = in.DeleteDocument(ctx, "removed")
	require.True(t, shared.IsNotFound(err), "%v", err)
	imported, err := in.ImportDocuments(ctx, "{\"_key\":\"imported\",\"n\":14}\n{\"_key\":\"kept\"}\n", arangodb.ImportDocumentTypeDocuments)
	require.NoError(t, err)
	require.EqualValues(t, 1, imported.Created)
	require.EqualValues(t, 1, imported.Errors)

	want := map[string]string{
		"updated": `{"n":10,"old":true}`, "replaced": `{"n":11}`, "removed": "", "kept": `{"n":3,"old":true}`,
		"inserted": `{"n":5}`, "array1": `{"n":12}`, "array2": `{"n":13}`, "imported": `{"n":14}`,
	}
	keys := slices.Collect(mapsKeys(want))
	require.Equal(t, want, x.docs(t, in, keys...), "its own writes")
	require.Equal(t, before, x.docs(t, one, keys...), "not seen outside yet")
	meta, err := in.ReadDocument(ctx, "inserted", &numbered{})
	require.NoError(t, err)
	require.Equal(t, inserted.Rev, meta.Rev)

	require.NoError(t, trx.Commit(ctx, nil))
	require.Equal(t, want, x.docs(t, one, keys...))
	meta, err = one.ReadDocument(ctx, "updated", &numbered{})
	require.NoError(t, err)
	require.Equal(t, updated.Rev, meta.Rev, "the revision that was promised")
}

// mapsKeys are the keys of a map, in order.
func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return slices.Values(all)
}

// docs are documents without what the server adds; "" is one that is not there.
func (x *inTransactions) docs(t *testing.T, c arangodb.Collection, keys ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, key := range keys {
		var doc map[string]any
		_, err := c.ReadDocument(t.Context(), key, &doc)
		if shared.IsNotFound(err) {
			exists, err := c.DocumentExists(t.Context(), key)
			require.NoError(t, err)
			require.False(t, exists, "GET and HEAD say the same")
			all[key] = ""
			continue
		}
		require.NoError(t, err)
		for _, system := range []string{"_key", "_id", "_rev"} {
			delete(doc, system)
		}
		raw, err := json.Marshal(doc)
		require.NoError(t, err)
		all[key] = string(raw)
	}
	return all
}

// whole are count, the read of all documents, and truncate.
func (x *inTransactions) whole(t *testing.T) {
	ctx := t.Context()
	x.collection(t, "whole")
	outside := x.of(t, x.db, "whole")
	for n := range 20 {
		_, err := outside.CreateDocument(ctx, numbered{Key: fmt.Sprint("w", n)})
		require.NoError(t, err)
	}
	trx := x.write(t, "whole")
	in := x.of(t, trx, "whole")
	sees := func(inside, all int) {
		t.Helper()
		for c, want := range map[arangodb.Collection]int{in: inside, outside: all} {
			n, err := c.Count(ctx)
			require.NoError(t, err)
			require.EqualValues(t, want, n)
		}
		require.Len(t, x.scan(t, "whole", connection.WithTransactionID(string(trx.ID()))), inside)
		require.Len(t, x.scan(t, "whole"), all)
	}
	_, err := in.CreateDocument(ctx, numbered{Key: "more"})
	require.NoError(t, err)
	sees(21, 20)
	_, err = in.DeleteDocument(ctx, "w7")
	require.NoError(t, err)
	sees(20, 20)
	require.NoError(t, in.Truncate(ctx))
	sees(0, 20)
	_, err = in.CreateDocument(ctx, numbered{Key: "w3", N: 8})
	require.NoError(t, err)
	sees(1, 20)
	require.NoError(t, trx.Commit(ctx, nil))
	require.Equal(t, map[string]string{"w3": `{"n":8}`, "w4": ""}, x.docs(t, outside, "w3", "w4"))
	require.Len(t, x.scan(t, "whole"), 1)
}

// scan reads a collection with batches of 7, which may need several requests. Outside of transactions only the coordinator that has a
// cursor knows it.
func (x *inTransactions) scan(t *testing.T, collection string, headers ...connection.RequestModifier) (all []json.RawMessage) {
	t.Helper()
	if len(headers) == 0 {
		x = &inTransactions{driver: x.single, db: x.db}
	}
	a := x.ask(t, "PUT", "/_api/simple/all", map[string]any{"collection": collection, "batchSize": 7}, headers...)
	for {
		require.Contains(t, []int{http.StatusOK, http.StatusCreated}, a.code, "%s", a.whole)
		var batch []json.RawMessage
		require.NoError(t, json.Unmarshal(a.result, &batch))
		all = append(all, batch...)
		if string(a.whole["hasMore"]) != "true" {
			return all
		}
		var id string
		require.NoError(t, json.Unmarshal(a.whole["id"], &id))
		a = x.ask(t, "PUT", "/_api/cursor/"+id, nil, headers...)
	}
}

// several is one transaction on many shards of two collections, committed and aborted.
func (x *inTransactions) several(t *testing.T) {
	ctx := t.Context()
	for _, commit := range []bool{true, false} {
		trx := x.started(t, arangodb.TransactionCollections{Write: []string{"one", "two"}}, &arangodb.BeginTransactionOptions{WaitForSync: true})
		for n := range 10 {
			for _, name := range []string{"one", "two"} {
				_, err := x.of(t, trx, name).CreateDocument(ctx, numbered{Key: fmt.Sprintf("several-%v-%d", commit, n), N: n})
				require.NoError(t, err)
			}
		}
		if commit {
			require.NoError(t, trx.Commit(ctx, nil))
		} else {
			require.NoError(t, trx.Abort(ctx, nil))
		}
		for n := range 10 {
			for _, name := range []string{"one", "two"} {
				exists, err := x.of(t, x.db, name).DocumentExists(ctx, fmt.Sprintf("several-%v-%d", commit, n))
				require.NoError(t, err)
				require.Equal(t, commit, exists)
			}
		}
	}
}

// undeclared collections cannot be written, and be read only if that was allowed.
func (x *inTransactions) undeclared(t *testing.T) {
	ctx := t.Context()
	_, err := x.of(t, x.db, "undeclared").CreateDocument(ctx, numbered{Key: "there"})
	require.NoError(t, err)
	for allowed, want := range map[string]int{`true`: http.StatusOK, `false`: http.StatusBadRequest} {
		a := x.ask(t, "POST", "/_api/transaction/begin", json.RawMessage(`{"collections":{"read":"one"},"allowImplicit":`+allowed+`}`))
		require.Equal(t, http.StatusCreated, a.code)
		var r struct{ ID string }
		require.NoError(t, json.Unmarshal(a.result, &r))
		header := connection.WithTransactionID(r.ID)
		read := x.ask(t, "GET", "/_api/document/undeclared/there", nil, header)
		require.Equal(t, want, read.code, "%s", read.whole)
		if want != http.StatusOK {
			require.Equal(t, 1652, read.num)
		}
		x.refused(t, "POST", "/_api/document/undeclared", numbered{}, 400, 1652, header)
		x.refused(t, "POST", "/_api/document/one", numbered{}, 400, 1652, header) // declared for reads alone
		x.refused(t, "PUT", "/_api/collection/undeclared/truncate", nil, 400, 1652, header)
		require.Equal(t, http.StatusOK, x.ask(t, "DELETE", "/_api/transaction/"+r.ID, nil).code)
	}
}

// lostUpdate: who has read a document that another has changed since cannot write it.
func (x *inTransactions) lostUpdate(t *testing.T) {
	ctx := t.Context()
	one := x.of(t, x.db, "one")
	_, err := one.CreateDocument(ctx, numbered{Key: "counter"})
	require.NoError(t, err)
	trx := x.write(t, "one")
	in := x.of(t, trx, "one")
	_, err = in.ReadDocument(ctx, "counter", &numbered{})
	require.NoError(t, err)
	_, err = one.UpdateDocument(ctx, "counter", numbered{N: 1})
	require.NoError(t, err)
	_, err = in.UpdateDocument(ctx, "counter", numbered{N: 1})
	refusedAs(t, err, 409, 1200)
	require.NoError(t, trx.Abort(ctx, nil))
}
