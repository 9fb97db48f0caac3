package dbserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/event"
)

// A table that rots is told of, and nothing is read while a backup holds the agency lock.
func TestDamagedTableIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		told := make(chan string, 10)
		h.steps = func(_ context.Context, e event.Event) {
			if e.Step == event.TableDamaged {
				told <- e.Detail
			}
		}
		s := h.start("a")
		h.collection("1", "s1", s)
		h.insert(s, "s1", "key", `{"a":1}`)
		h.lock("backup", "n")
		require.NoError(t, h.dbs.Prepare(t.Context(), h.target(s), dbclient.PieceRequest{ID: "backup", Nonce: "n"}))
		bad := rotted(t, h.fs["a"])
		time.Sleep(2 * time.Minute)
		require.Empty(t, told, "it reads under a backup's lock")
		h.unlock("n", nil)
		select {
		case detail := <-told:
			require.Contains(t, detail, bad)
			requireTables(t, h, s, bad)
		case <-time.After(time.Minute):
			require.Fail(t, "the damage is not told")
		}
	})
}

// requireTables checks what an operator sees of a server with one damaged table.
func requireTables(t *testing.T, h *house, s *Server, bad string) {
	t.Helper()
	get := func(path string) []byte {
		resp, err := h.web.Get(s.URL() + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, errors.Join(err, resp.Body.Close()))
		return body
	}
	time.Sleep(time.Minute) // the others are read
	var status struct {
		Tables struct {
			Count, Unread, Damaged int
			Damage                 map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(get("/_admin/status"), &status))
	require.Positive(t, status.Tables.Count)
	require.Equal(t, 1, status.Tables.Damaged)
	require.Zero(t, status.Tables.Unread)
	require.Contains(t, status.Tables.Damage[bad], "SHA-256")
	require.Contains(t, string(get("/_admin/metrics")), "stasis_engine_tables_damaged 1\n")
}

// rotted flips a byte of a table of the engine, and returns its name.
func rotted(t *testing.T, disk vfs.FS) string {
	t.Helper()
	names, err := disk.List("data/engine")
	require.NoError(t, err)
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := disk.OpenReadWrite("data/engine/"+name, vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		one := make([]byte, 1)
		_, err = f.ReadAt(one, 3)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{one[0] ^ 1}, 3)
		require.NoError(t, errors.Join(err, f.Close()))
		return name
	}
	require.Fail(t, "no table")
	return ""
}
