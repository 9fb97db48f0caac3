package dbserver

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

func TestFollowsPlan(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.insert(s, "s101", "a", `{"v":1}`)
		require.Equal(t, []string{"a"}, h.keysOf(s, "s101"))

		h.eventually(keys.CurrentDatabase("_system", s.ID()), (*agencyclient.Node).Exists)
		h.write(map[string]any{keys.PlanCollection("_system", "100"): agencyclient.Delete()}, nil)
		h.eventually(keys.CurrentCollections+"/_system/100", func(n *agencyclient.Node) bool { return !n.Exists() })
		_, err := h.dbs.Count(t.Context(), h.target(s), "s101", dbclient.CountRequest{})
		require.ErrorIs(t, err, apierror.ShardGone)
	})
}

func TestKeepsDocumentsAcrossRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		id := s.ID()
		h.collection("100", "s101", s)
		h.insert(s, "s101", "a", `{"v":1}`)
		h.stop("db1")
		s = h.start("db1")
		require.Equal(t, id, s.ID())
		require.Equal(t, []string{"a"}, h.keysOf(s, "s101"))
		var known keys.Known
		require.NoError(t, h.read(keys.ServerKnown(id)).Decode(&known))
		require.Equal(t, uint64(2), known.RebootID)
	})
}

// A server that comes back learns what Plan has dropped while it was away.
func TestDropsAfterRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.collection("200", "s201", s)
		h.stop("db1")
		h.write(map[string]any{keys.PlanCollection("_system", "100"): agencyclient.Delete()}, nil)
		s = h.start("db1")
		h.eventually(keys.CurrentCollections+"/_system/100", func(n *agencyclient.Node) bool { return !n.Exists() })
		_, err := h.dbs.Count(t.Context(), h.target(s), "s101", dbclient.CountRequest{})
		require.ErrorIs(t, err, apierror.ShardGone)
		_, err = h.dbs.Count(t.Context(), h.target(s), "s201", dbclient.CountRequest{})
		require.NoError(t, err)
	})
}

func TestDocumentsOverHTTP(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		to := h.target(s)
		r, err := h.dbs.Documents(t.Context(), to, "s101", dbclient.DocumentsRequest{
			Collection: "books", WaitForSync: true, ReturnNew: true,
			Ops: []dbclient.Op{
				{Kind: dbclient.OpInsert, Key: "a", Document: json.RawMessage(`{"n":12345678901234567890,"b":"<&>"}`)},
				{Kind: dbclient.OpInsert, Key: "a", Document: json.RawMessage(`{}`)},
				{Kind: dbclient.OpRead, Key: "a"},
				{Kind: dbclient.OpReplace, Key: "a", Document: json.RawMessage(`{}`), IfMatch: "other"},
			},
		})
		require.NoError(t, err)
		require.True(t, r.Synced)
		require.Contains(t, string(r.Results[0].New), `"_id":"books/a"`)
		require.Contains(t, string(r.Results[0].New), `"n":12345678901234567890,"b":"<&>"`)
		require.ErrorIs(t, r.Results[1].Error, apierror.UniqueConstraint)
		require.Equal(t, r.Results[0].New, r.Results[2].New)
		require.ErrorIs(t, r.Results[3].Error, apierror.Conflict)
		require.Equal(t, r.Results[0].Rev, r.Results[3].Rev)

		count, err := h.dbs.Count(t.Context(), to, "s101", dbclient.CountRequest{})
		require.NoError(t, err)
		require.Equal(t, dbclient.CountResponse{Count: 1, Revision: r.Results[0].Rev}, count)
		require.NoError(t, h.dbs.Truncate(t.Context(), to, "s101", dbclient.TruncateRequest{WaitForSync: true}))
		require.Empty(t, h.keysOf(s, "s101"))
	})
}

// A request longer than a chunk is done whole, and in order.
func TestLongRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		const threeChunks = 2005
		var ops []dbclient.Op
		for i := range threeChunks {
			ops = append(ops, dbclient.Op{Kind: dbclient.OpInsert, Key: key(i), Document: json.RawMessage(`{}`)})
		}
		r, err := h.dbs.Documents(t.Context(), h.target(s), "s101", dbclient.DocumentsRequest{Collection: "c", Ops: ops})
		require.NoError(t, err)
		require.Len(t, r.Results, len(ops))
		for i, result := range r.Results {
			require.Equal(t, key(i), result.Key)
			require.True(t, result.Created)
		}
		page, err := h.dbs.Scan(t.Context(), h.target(s), "s101", dbclient.ScanRequest{After: key(10), Limit: 7})
		require.NoError(t, err)
		require.Equal(t, key(17), page.LastKey)
		require.True(t, page.More)
	})
}

func TestRefusesRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		to := h.target(s)

		wrong := dbclient.Target{URL: to.URL, Epoch: to.Epoch + 1}
		_, err := h.dbs.Count(t.Context(), wrong, "s101", dbclient.CountRequest{})
		require.ErrorIs(t, err, apierror.WrongEpoch)
		require.ErrorIs(t, h.dbs.Publish(t.Context(), wrong, dbclient.PieceRequest{ID: "x"}), apierror.WrongEpoch)
		_, err = h.dbs.List(t.Context(), wrong, dbclient.ListRequest{})
		require.NoError(t, err, "listing asks for no epoch")

		_, err = h.dbs.Count(t.Context(), to, "s999", dbclient.CountRequest{})
		require.ErrorIs(t, err, apierror.ShardGone)
		require.Equal(t, 404, h.status(s.URL()+"/_stasis/v1/nothing"))
		require.Equal(t, 405, h.status(s.URL()+dbclient.PathList))
		resp, err := h.web.Post(s.URL()+dbclient.PathList, "application/json", nil)
		require.NoError(t, err)
		require.ErrorIs(t, apierror.FromResponse(resp), apierror.CorruptedJSON)
		require.NoError(t, resp.Body.Close())
	})
}

func TestPublicPaths(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		for path, want := range map[string]string{
			"/_api/version":               `{"license":"enterprise","server":"arango","version":"3.12.5"}`,
			"/_admin/server/role":         `{"code":200,"error":false,"errorNum":0,"mode":"default","role":"PRIMARY"}`,
			"/_admin/server/id":           `{"code":200,"error":false,"id":"` + s.ID() + `"}`,
			"/_admin/server/availability": `{"code":200,"error":false,"mode":"default"}`,
		} {
			resp, err := h.web.Get(s.URL() + path)
			require.NoError(t, err)
			var body json.RawMessage
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
			require.NoError(t, resp.Body.Close())
			require.JSONEq(t, want, string(body), path)
		}
		require.Equal(t, 200, h.status(s.URL()+"/_admin/status"))
	})
}
