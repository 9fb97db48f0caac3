package dbserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/fault"
	"stasis/internal/apierror"
)

// A write whose request arrives a second time is done once, whatever became of its document meanwhile.
// The server remembers it as long as an older write of the same client goes on, and forgets it when the
// client says that it waits for none as old.
func TestWriteThatArrivesTwice(t *testing.T) {
	for name, remembered := range map[string]bool{"it is remembered": true, "it is forgotten": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				s := h.start("db1")
				h.collection("100", "s101", s)
				var older sync.WaitGroup
				defer older.Wait()
				if remembered {
					h.net.Message(fault.Message{Path: dbclient.PathPrefix + "/shards/*/documents", Do: fault.DelayIt, By: 20 * time.Second, Times: 1})
					older.Go(func() { h.insert(s, "s101", "older", `{}`) })
					synctest.Wait()
				}
				remove := func() error {
					_, err := h.dbs.Documents(t.Context(), h.target(s), "s101", dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRemove, Key: "k"}}})
					return err
				}
				truncate := func() error {
					return h.dbs.Truncate(t.Context(), h.target(s), "s101", dbclient.TruncateRequest{})
				}
				for path, write := range map[string]func() error{"documents": remove, "truncate": truncate} {
					h.insert(s, "s101", "k", `{"n":1}`)
					rule := h.net.Message(fault.Message{Path: dbclient.PathPrefix + "/shards/*/" + path, Do: fault.Duplicate, By: 3 * time.Second, Times: 1})
					require.NoError(t, write())
					h.insert(s, "s101", "k", `{"n":2}`)
					time.Sleep(4 * time.Second)
					require.Equal(t, 1, rule.Met(), "the request did not arrive again")
					require.Contains(t, h.keysOf(s, "s101"), "k", "%s was done twice: what was acknowledged after it is gone", path)
					require.NoError(t, write())
				}
			})
		})
	}
}

// A server that has started again does nothing that was sent to the process before.
func TestWriteOfBeforeARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.insert(s, "s101", "k", `{"n":1}`)
		rule := h.net.Message(fault.Message{Path: dbclient.PathPrefix + "/shards/*/documents", Do: fault.Duplicate, By: time.Minute, Times: 1})
		_, err := h.dbs.Documents(t.Context(), h.target(s), "s101", dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRemove, Key: "k"}}})
		require.NoError(t, err)
		h.stop("db1")
		s = h.start("db1")
		h.insert(s, "s101", "k", `{"n":2}`)
		time.Sleep(2 * time.Minute)
		require.Equal(t, 1, rule.Met(), "the request did not arrive again")
		require.Equal(t, []string{"k"}, h.keysOf(s, "s101"), "what was acknowledged after the restart is gone")
	})
}

// Who has no session writes nothing.
func TestWriteWithoutASession(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		for path, body := range map[string]any{
			"documents": dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: "k", Document: json.RawMessage(`{}`)}}},
			"truncate":  dbclient.TruncateRequest{},
		} {
			raw, err := json.Marshal(body)
			require.NoError(t, err)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+dbclient.PathPrefix+"/shards/s101/"+path, bytes.NewReader(raw))
			require.NoError(t, err)
			r.Header.Set(dbclient.EpochHeader, "0")
			answer, err := h.web.Do(r)
			require.NoError(t, err)
			require.ErrorContains(t, apierror.FromResponse(answer), "a write needs a session", path)
			require.NoError(t, answer.Body.Close())
		}
		require.Empty(t, h.keysOf(s, "s101"))
	})
}
