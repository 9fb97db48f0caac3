package dbserver

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// A write that a backup holds up for longer than its client waits is refused before the client gives up, with the backup's
// id. Nothing of it is written, at once or later. One that waits longer is done.
func TestWriteThatABackupHoldsUp(t *testing.T) {
	insert := func(key string) dbclient.DocumentsRequest {
		return dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: key, Document: json.RawMessage(`{}`)}}}
	}
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.lock("b", "n")
		require.Less(t, h.bystander(s, "before"), time.Second)
		letGo, err := h.hold(t.Context(), h.target(s), lockB)
		require.NoError(t, err)
		for name, c := range map[string]struct {
			bounded func(context.Context) (context.Context, context.CancelFunc)
			do      func(context.Context) error
		}{
			"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 2*time.Second)
			},
				func(ctx context.Context) error {
					_, err := h.dbs.Documents(ctx, h.target(s), "s101", insert("deadline"))
					return err
				}},
			"patience": {func(ctx context.Context) (context.Context, context.CancelFunc) {
				return dbclient.WithPatience(ctx, 2*time.Second), func() {}
			}, func(ctx context.Context) error {
				_, err := h.dbs.Documents(ctx, h.target(s), "s101", insert("patience"))
				return err
			}},
			"the shorter of both": {func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(dbclient.WithPatience(ctx, time.Hour), 2*time.Second)
			}, func(ctx context.Context) error {
				return h.dbs.Truncate(ctx, h.target(s), "s101", dbclient.TruncateRequest{})
			}},
		} {
			ctx, cancel := c.bounded(t.Context())
			begun := time.Now()
			err := c.do(ctx)
			cancel()
			require.ErrorIs(t, err, apierror.GateClosed, name)
			require.ErrorContains(t, err, "backup b holds up writes", name)
			require.Equal(t, http.StatusServiceUnavailable, apierror.From(err).Status())
			require.Equal(t, "b", apierror.From(err).Extra["backup"])
			require.InDelta(t, 1.8, time.Since(begun).Seconds(), 0.05, name)
		}
		time.AfterFunc(5*time.Second, func() { _ = letGo() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = h.dbs.Documents(ctx, h.target(s), "s101", insert("patient"))
		require.NoError(t, err)
		n, err := h.dbs.Count(t.Context(), h.target(s), "s101", dbclient.CountRequest{})
		require.NoError(t, err)
		require.EqualValues(t, 2, n.Count, "what was refused is written")
	})
}

// A patience that is no number is no reason to wait for ever, and none to write.
func TestBadPatienceIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		for _, text := range []string{"soon", "-1", "1.5", "99999999999"} {
			req, err := http.NewRequest(http.MethodPost, s.URL()+strings.Replace(dbclient.PathCount, "{shard}", "s101", 1), strings.NewReader("{}"))
			require.NoError(t, err)
			req.Header.Set(dbclient.EpochHeader, "0")
			req.Header.Set(dbclient.PatienceHeader, text)
			resp, err := h.web.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusBadRequest, resp.StatusCode, "%s: %s", text, body)
			require.Contains(t, string(body), "milliseconds")
		}
	})
}
