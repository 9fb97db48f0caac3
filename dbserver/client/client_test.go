package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
)

// serveAll answers every request with one handler, and gives a client and target.
func serveAll(t *testing.T, h http.HandlerFunc) (*Client, Target) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return New(server.Client()), Target{URL: server.URL, Epoch: 7}
}

// serve opens sessions, and answers every other request with one handler.
func serve(t *testing.T, h http.HandlerFunc) (*Client, Target) {
	t.Helper()
	sessions := 0
	return serveAll(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != PathSession {
			h(w, r)
			return
		}
		sessions++
		_, _ = fmt.Fprintf(w, `{"session":"s%d"}`, sessions)
	})
}

func TestRequestsAndAnswers(t *testing.T) {
	c, to := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get(EpochHeader) != "7" || r.URL.EscapedPath() != "/_stasis/v1/shards/s%2F1/documents" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		_, _ = w.Write([]byte(`{"results":[{"new":` + string(body) + `}],"synced":true}`))
	})
	r, err := c.Documents(t.Context(), to, "s/1", DocumentsRequest{Ops: []Op{{Kind: OpInsert, Key: "k", Document: json.RawMessage(`{"<":12345678901234567890}`)}}})
	require.NoError(t, err)
	require.True(t, r.Synced)
	require.Contains(t, string(r.Results[0].New), `{"<":12345678901234567890}`)
}

func TestErrorsOfTheServer(t *testing.T) {
	c, to := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		apierror.Write(w, apierror.New(apierror.WrongEpoch, "epoch 8"))
	})
	_, err := c.Count(t.Context(), to, "s1", CountRequest{})
	require.ErrorIs(t, err, apierror.WrongEpoch)
	require.NotErrorIs(t, err, ErrNotSent)
}

// A caller that gets no answer knows whether the server can have seen the request.
func TestLostConnections(t *testing.T) {
	c, to := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"results":`)) // and no more
	})
	_, err := c.Documents(t.Context(), to, "s1", DocumentsRequest{})
	require.ErrorIs(t, err, apierror.ConnectionLost)
	require.NotErrorIs(t, err, ErrNotSent)

	c, to = serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	err = c.Truncate(t.Context(), to, "s1", TruncateRequest{})
	require.ErrorIs(t, err, apierror.ConnectionLost)
	require.NotErrorIs(t, err, ErrNotSent)

	err = c.Truncate(t.Context(), Target{URL: "http://127.0.0.1:1"}, "s1", TruncateRequest{})
	require.ErrorIs(t, err, apierror.ConnectionLost)
	require.ErrorIs(t, err, ErrNotSent)
}

func TestContextEndsACall(t *testing.T) {
	c, to := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Verify(ctx, to, PieceRequest{})
	require.ErrorIs(t, err, apierror.ConnectionLost)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, ErrNotSent)
}
