package client_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
)

// What a transaction sends: its documents carry its id, its end has it in the path, and both can be asked of another coordinator.
func TestTransactionOnTheWire(t *testing.T) {
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		line := r.Method + " " + r.URL.RequestURI() + " " + string(body)
		if id := r.Header.Get("X-Arango-Trx-Id"); id != "" {
			line += " in " + id
		}
		sent = append(sent, line)
		_, _ = io.WriteString(w, `{"result":{"id":"7","status":"running"}}`)
	}))
	t.Cleanup(server.Close)
	db := newClient(t, server.URL).Database("d")
	ctx := context.Background()
	trx, err := db.Begin(ctx, client.TransactionOptions{Write: []string{"c"}, Exclusive: []string{"e"}, LockTimeout: 1500 * time.Millisecond, WaitForSync: true})
	require.NoError(t, err)
	require.Equal(t, "7", trx.ID())
	in := trx.At(newClient(t, server.URL)).Database()
	_, err = in.Insert(ctx, "c", json.RawMessage(`{}`))
	require.NoError(t, err)
	require.NoError(t, in.Read(ctx, client.Ref{Collection: "c", Key: "k"}, nil))
	require.Error(t, in.Documents(ctx, "c", nil), "the answer is none of documents")
	require.NoError(t, in.Truncate(ctx, "c"))
	_, err = db.Insert(ctx, "c", json.RawMessage(`{}`))
	require.NoError(t, err)
	require.NoError(t, trx.Commit(ctx))
	require.NoError(t, trx.Abort(ctx))
	require.Equal(t, []string{
		`POST /_db/d/_api/transaction/begin {"collections":{"write":["c"],"exclusive":["e"]},"lockTimeout":1.5,"waitForSync":true}`,
		`POST /_db/d/_api/document/c {} in 7`,
		`GET /_db/d/_api/document/c/k  in 7`,
		`PUT /_db/d/_api/simple/all {"collection":"c","batchSize":1000} in 7`,
		`PUT /_db/d/_api/collection/c/truncate  in 7`,
		`POST /_db/d/_api/document/c {}`,
		`PUT /_db/d/_api/transaction/7 `,
		`DELETE /_db/d/_api/transaction/7 `,
	}, sent)
}
