package dbserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/network"
)

// startWith starts a DB server whose requests hold what a budget has.
func (h *house) startWith(name string, b *budget.Budget) *Server {
	h.t.Helper()
	h.fs[name] = vfs.NewCrashableMem()
	s, err := Start(h.t.Context(), Config{
		Dir: "data", FS: h.fs[name], Listen: name + ":1", Agency: []string{"http://agent:1"}, Network: h.net.Host(name),
		Engine: engine.Options{CacheBytes: 1 << 20, MemTableBytes: 1 << 20}, HTTP: network.Limits{Budget: b}, Logger: h.logger(name, hclog.Info),
	})
	require.NoError(h.t, err)
	h.up[name] = s
	return s
}

// post sends a request as a coordinator does. write is the name of the write; "": it is none.
func (h *house) post(s *Server, path, write string, body, into any) error {
	h.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(h.t, err)
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, s.URL()+path, bytes.NewReader(raw))
	require.NoError(h.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(dbclient.EpochHeader, strconv.FormatUint(h.target(s).Epoch, 10))
	if write != "" {
		r.Header.Set(dbclient.WriteHeader, write)
	}
	resp, err := h.web.Do(r)
	require.NoError(h.t, err)
	defer func() { require.NoError(h.t, resp.Body.Close()) }()
	if err := apierror.FromResponse(resp); err != nil {
		return err
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// A write that a server has refused, because it had no memory for the request, is not done when a copy of it comes later: its client has
// sent it again under another number.
func TestWriteThatThereWasNoMemoryForIsNotDoneLater(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		b := budget.New(8 << 20)
		s := h.startWith("db1", b)
		h.collection("100", "s101", s)
		var session dbclient.SessionResponse
		require.NoError(t, h.post(s, dbclient.PathSession, "", struct{}{}, &session))
		name := dbclient.Write{Session: session.Session, Number: 1, Oldest: 1}.String()
		insert := func() error {
			var answer dbclient.DocumentsResponse
			return h.post(s, strings.ReplaceAll(dbclient.PathDocs, "{shard}", "s101"), name, dbclient.DocumentsRequest{
				Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: "k", Document: json.RawMessage(`{}`)}},
			}, &answer)
		}
		var all []*budget.Account
		for a := b.Open(budget.Client); a.Begin(0) == nil; a = b.Open(budget.Client) {
			all = append(all, a)
		}
		require.ErrorIs(t, insert(), apierror.ResourceLimit)
		for _, a := range all {
			a.Close()
		}
		require.ErrorIs(t, insert(), apierror.ResourceLimit, "a copy of a write that was refused is done")
		count, err := h.dbs.Count(t.Context(), h.target(s), "s101", dbclient.CountRequest{})
		require.NoError(t, err)
		require.Zero(t, count.Count)
	})
}
