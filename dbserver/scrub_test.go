package dbserver

import (
	"context"
	"errors"
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
		case <-time.After(time.Minute):
			require.Fail(t, "the damage is not told")
		}
	})
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
