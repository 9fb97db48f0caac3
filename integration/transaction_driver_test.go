package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/arangodb/go-driver/v2/arangodb"
	"github.com/arangodb/go-driver/v2/arangodb/shared"
	"github.com/arangodb/go-driver/v2/connection"
	"github.com/stretchr/testify/require"

	"stasis/minicluster"
)

// Everything that a client of transactions may do or see, by the official driver, whose requests go to both coordinators in turn.
func TestTransactionsByTheDriver(t *testing.T) {
	t.Parallel()
	c := start(t, options(t, minicluster.InProcess))
	for protocol, driver := range drivers(c) {
		db, err := driver.CreateDatabase(t.Context(), protocol, nil)
		require.NoError(t, err)
		x := &inTransactions{driver: driver, db: db, single: drivers(&cluster{clients: c.clients[:1]})[protocol]}
		for _, name := range []string{"one", "two", "undeclared"} {
			x.collection(t, name)
		}
		for name, test := range map[string]func(*inTransactions, *testing.T){
			"begin": (*inTransactions).begin, "begin that is refused": (*inTransactions).badBegin, "ends": (*inTransactions).ends,
			"operations": (*inTransactions).operations, "whole collections": (*inTransactions).whole, "several shards": (*inTransactions).several,
			"undeclared collections": (*inTransactions).undeclared, "locks": (*inTransactions).locks, "lost update": (*inTransactions).lostUpdate,
			"size": (*inTransactions).size, "list": (*inTransactions).list, "abort all": (*inTransactions).abortAll,
			"what is not there": (*inTransactions).notThere,
		} {
			t.Run(protocol+"/"+name, func(t *testing.T) { test(x, t) })
		}
	}
}

// inTransactions are the tests of one protocol.
type inTransactions struct {
	driver arangodb.Client
	db     arangodb.Database
	single arangodb.Client // of one coordinator
}

type numbered struct {
	Key string `json:"_key,omitempty"`
	N   int    `json:"n"`
}

func (x *inTransactions) collection(t *testing.T, name string) {
	t.Helper()
	shards := 3
	_, err := x.db.CreateCollectionV2(t.Context(), name, &arangodb.CreateCollectionPropertiesV2{NumberOfShards: &shards})
	require.NoError(t, err)
}

// of is a collection, in the transaction or outside of all.
func (x *inTransactions) of(t *testing.T, in arangodb.DatabaseCollection, name string) arangodb.Collection {
	t.Helper()
	c, err := in.GetCollection(t.Context(), name, nil)
	require.NoError(t, err)
	return c
}

func (x *inTransactions) write(t *testing.T, collections ...string) arangodb.Transaction {
	t.Helper()
	return x.started(t, arangodb.TransactionCollections{Write: collections}, nil)
}

func (x *inTransactions) started(t *testing.T, c arangodb.TransactionCollections, o *arangodb.BeginTransactionOptions) arangodb.Transaction {
	t.Helper()
	trx, err := x.db.BeginTransaction(t.Context(), c, o)
	require.NoError(t, err)
	t.Cleanup(func() { x.ask(t, http.MethodDelete, "/_api/transaction/"+string(trx.ID()), nil) }) // harmless if it has ended
	return trx
}

// answer is the answer to a request that the driver has no call for.
type answer struct {
	code   int
	num    int
	result json.RawMessage
	whole  map[string]json.RawMessage
}

func (x *inTransactions) ask(t *testing.T, method, path string, body any, headers ...connection.RequestModifier) answer {
	t.Helper()
	a := answer{whole: map[string]json.RawMessage{}}
	if body != nil {
		headers = append(headers, connection.WithBody(body))
	}
	r, err := connection.Call(context.WithoutCancel(t.Context()), x.driver.Connection(), method, "/_db/"+x.db.Name()+path, &a.whole, headers...)
	require.NoError(t, err)
	a.code, a.result = r.Code(), a.whole["result"]
	if raw, is := a.whole["errorNum"]; is {
		require.NoError(t, json.Unmarshal(raw, &a.num))
	}
	return a
}

func (x *inTransactions) refused(t *testing.T, method, path string, body any, code, num int, headers ...connection.RequestModifier) {
	t.Helper()
	a := x.ask(t, method, path, body, headers...)
	require.Equal(t, []int{code, num}, []int{a.code, a.num}, "%s", a.whole)
}

func refusedAs(t *testing.T, err error, code, num int) {
	t.Helper()
	require.True(t, shared.IsArangoErrorWithCode(err, code) && shared.IsArangoErrorWithErrorNum(err, num), "want %d/%d: %v", code, num, err)
}

func statusIs(t *testing.T, trx arangodb.Transaction, want arangodb.TransactionStatus) {
	t.Helper()
	s, err := trx.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, s.Status)
}

func (x *inTransactions) begin(t *testing.T) {
	for name, collections := range map[string]any{
		"names": map[string]any{"write": []string{"one"}, "read": []string{"two"}}, "a name alone": map[string]any{"write": "one", "exclusive": "two"}, "none": map[string]any{},
	} {
		a := x.ask(t, "POST", "/_api/transaction/begin", map[string]any{"collections": collections, "waitForSync": true, "skipFastLockRound": true})
		require.Equal(t, http.StatusCreated, a.code, name)
		require.JSONEq(t, "201", string(a.whole["code"]))
		var r struct{ ID, Status string }
		require.NoError(t, json.Unmarshal(a.result, &r))
		require.Equal(t, "running", r.Status)
		require.Regexp(t, `^[0-9]+$`, r.ID)
		require.Equal(t, http.StatusOK, x.ask(t, "DELETE", "/_api/transaction/"+r.ID, nil).code)
	}
}

func (x *inTransactions) badBegin(t *testing.T) {
	const path = "/_api/transaction/begin"
	x.refused(t, "POST", path, map[string]any{}, 400, 10)
	x.refused(t, "POST", path, map[string]any{"collections": map[string]any{"write": []string{"nowhere"}}}, 404, 1203)
	x.refused(t, "POST", path, map[string]any{"collections": map[string]any{"write": 7}}, 400, 10)
	x.refused(t, "POST", path, map[string]any{"collections": map[string]any{}, "lockTimeout": -1}, 400, 10)
	trx := x.write(t, "one")
	x.refused(t, "POST", path, map[string]any{"collections": map[string]any{"write": "one"}}, 400, 1651, connection.WithTransactionID(string(trx.ID())))
	statusIs(t, trx, arangodb.TransactionRunning)
}

// ends is how transactions end, and what is said of them then.
func (x *inTransactions) ends(t *testing.T) {
	ctx := t.Context()
	committed, aborted := x.write(t, "one"), x.write(t, "one")
	_, err := x.of(t, committed, "one").CreateDocument(ctx, numbered{Key: "end"})
	require.NoError(t, err)
	statusIs(t, committed, arangodb.TransactionRunning)
	for range 3 { // again is no error, at either coordinator
		require.NoError(t, committed.Commit(ctx, nil))
		statusIs(t, committed, arangodb.TransactionCommitted)
		require.NoError(t, aborted.Abort(ctx, nil))
		statusIs(t, aborted, arangodb.TransactionAborted)
	}
	refusedAs(t, committed.Abort(ctx, nil), 400, 1653)
	refusedAs(t, aborted.Commit(ctx, nil), 400, 1653)
	for _, do := range []func(c arangodb.Collection) error{
		func(c arangodb.Collection) error { _, err := c.CreateDocument(ctx, numbered{}); return err },
		func(c arangodb.Collection) error { _, err := c.ReadDocument(ctx, "end", &numbered{}); return err },
		func(c arangodb.Collection) error { _, err := c.Count(ctx); return err },
	} {
		one := x.of(t, x.db, "one")
		refusedAs(t, do(withTransaction(t, x.driver, one, committed.ID())), 400, 1653)
		refusedAs(t, do(withTransaction(t, x.driver, one, aborted.ID())), 410, 1654)
	}
	x.refused(t, "GET", "/_api/transaction/123456", nil, 404, 1655)
	x.refused(t, "PUT", "/_api/transaction/123456", nil, 404, 1655)
	x.refused(t, "DELETE", "/_api/transaction/123456", nil, 404, 1655)
	a := x.ask(t, "GET", "/_api/transaction/what", nil)
	require.Contains(t, []int{10, 1655}, a.num)
	x.refused(t, "GET", "/_api/document/one/end", nil, 404, 1655, connection.WithTransactionID("123456"))
}

// withTransaction is the collection in a transaction that has ended, whose collections the driver does not look up any more.
func withTransaction(t *testing.T, driver arangodb.Client, c arangodb.Collection, id arangodb.TransactionID) arangodb.Collection {
	t.Helper()
	db, err := driver.GetDatabase(t.Context(), c.Database().Name(), &arangodb.GetDatabaseOptions{SkipExistCheck: true})
	require.NoError(t, err)
	trx, err := db.Transaction(t.Context(), id)
	require.NoError(t, err)
	in, err := trx.GetCollection(t.Context(), c.Name(), &arangodb.GetCollectionOptions{SkipExistCheck: true})
	require.NoError(t, err)
	return in
}

// list has transactions that run, of this database, of both coordinators.
func (x *inTransactions) list(t *testing.T) {
	var ids []arangodb.TransactionID
	for range 4 { // at each coordinator two
		ids = append(ids, x.write(t, "one").ID())
	}
	for range 2 {
		all, err := x.db.ListTransactions(t.Context())
		require.NoError(t, err)
		var found []arangodb.TransactionID
		for _, trx := range all {
			found = append(found, trx.ID())
		}
		require.Subset(t, found, ids)
	}
	require.Contains(t, string(x.ask(t, "GET", "/_api/transaction", nil).whole["transactions"]), fmt.Sprintf(`"id":"%s"`, ids[0]))
}

func (x *inTransactions) abortAll(t *testing.T) {
	var all []arangodb.Transaction
	for n := range 4 {
		trx := x.write(t, "one")
		_, err := x.of(t, trx, "one").CreateDocument(t.Context(), numbered{Key: fmt.Sprint("all", n)})
		require.NoError(t, err)
		all = append(all, trx)
	}
	require.Equal(t, http.StatusOK, x.ask(t, "DELETE", "/_api/transaction/write", nil).code)
	for n, trx := range all {
		statusIs(t, trx, arangodb.TransactionAborted)
		exists, err := x.of(t, x.db, "one").DocumentExists(t.Context(), fmt.Sprint("all", n))
		require.NoError(t, err)
		require.False(t, exists)
		_, err = x.of(t, x.db, "one").CreateDocument(t.Context(), numbered{Key: fmt.Sprint("all", n)})
		require.NoError(t, err, "its lock is gone")
	}
}

// notThere is what stays refused: JavaScript, queries.
func (x *inTransactions) notThere(t *testing.T) {
	x.refused(t, "POST", "/_api/transaction", map[string]any{"action": "function () {}", "collections": map[string]any{}}, 501, 9)
	trx := x.write(t, "one")
	_, err := trx.Query(t.Context(), "FOR d IN one RETURN d", nil)
	require.ErrorContains(t, err, "not allowed in transaction")
	statusIs(t, trx, arangodb.TransactionRunning)
}

func (x *inTransactions) size(t *testing.T) {
	trx := x.started(t, arangodb.TransactionCollections{Write: []string{"one"}}, &arangodb.BeginTransactionOptions{MaxTransactionSize: 10_000})
	one := x.of(t, trx, "one")
	_, err := one.CreateDocument(t.Context(), map[string]any{"_key": "small", "v": strings.Repeat("x", 1000)})
	require.NoError(t, err)
	_, err = one.CreateDocument(t.Context(), map[string]any{"_key": "large", "v": strings.Repeat("x", 10_000)})
	refusedAs(t, err, 400, 32)
}

// locks are waits for others, which have an end.
func (x *inTransactions) locks(t *testing.T) {
	ctx := t.Context()
	one := x.of(t, x.db, "one")
	_, err := one.CreateDocument(ctx, numbered{Key: "locked"})
	require.NoError(t, err)
	first, second := x.write(t, "one"), x.started(t, arangodb.TransactionCollections{Write: []string{"one"}}, &arangodb.BeginTransactionOptions{LockTimeoutDuration: 300 * time.Millisecond})
	_, err = x.of(t, first, "one").UpdateDocument(ctx, "locked", numbered{N: 1})
	require.NoError(t, err)
	var d numbered
	_, err = one.ReadDocument(ctx, "locked", &d) // readers wait for no open transaction
	require.NoError(t, err)
	require.Zero(t, d.N)
	_, err = x.of(t, second, "one").UpdateDocument(ctx, "locked", numbered{N: 2})
	refusedAs(t, err, 409, 1200)
	require.ErrorContains(t, err, string(first.ID()), "the message names the holder")
	statusIs(t, second, arangodb.TransactionRunning)

	exclusive := x.started(t, arangodb.TransactionCollections{Exclusive: []string{"two"}}, nil)
	_, err = x.of(t, exclusive, "two").CreateDocument(ctx, numbered{Key: "x"})
	require.NoError(t, err)
	other := x.started(t, arangodb.TransactionCollections{Exclusive: []string{"two"}}, &arangodb.BeginTransactionOptions{LockTimeoutDuration: 300 * time.Millisecond})
	_, err = x.of(t, other, "two").ReadDocument(ctx, "x", &d) // of an exclusive collection reads, too, are locked
	require.True(t, shared.IsArangoErrorWithErrorNum(err, shared.ErrLockTimeout), "%v", err)
	require.NoError(t, exclusive.Commit(ctx, nil))
	_, err = x.of(t, other, "two").ReadDocument(ctx, "x", &d)
	require.NoError(t, err)
}
