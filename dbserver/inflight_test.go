package dbserver

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// A write that waits for the disk is still inside the gate: no cut can fall
// between its being seen and its being acknowledged.
func TestGateIsHeldUntilSynced(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		var slow atomic.Bool
		syncing, goOn := make(chan struct{}, 1), make(chan struct{})
		h.fs["db1"] = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
			if sync && strings.HasSuffix(op.Path, ".log") && slow.CompareAndSwap(true, false) {
				syncing <- struct{}{}
				<-goOn
			}
			return nil
		}))
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.insert(s, "s101", "a", `{}`)
		time.Sleep(time.Second) // it is synced
		slow.Store(true)
		to, written := h.target(s), make(chan error, 1)
		go func() {
			_, err := h.dbs.Documents(t.Context(), to, "s101", dbclient.DocumentsRequest{
				WaitForSync: true, Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: "b", Document: json.RawMessage(`{}`)}}})
			written <- err
		}()
		<-syncing
		require.Equal(t, []string{"a", "b"}, h.keysOf(s, "s101"), "it can be seen")
		h.lock("b", "n")
		lock := dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 2, LeaseSeconds: 60} // shorter than the disk may take
		_, err := h.hold(t.Context(), to, lock)
		require.ErrorIs(t, err, apierror.LockTimeout)
		require.Empty(t, written)
		close(goOn)
		require.NoError(t, <-written)
		_, err = h.hold(t.Context(), to, lock)
		require.NoError(t, err)
	})
}

// The engine is not closed for a swap, or at the end, while a request is inside;
// the request is told to end.
func TestEngineStaysOpenUnderRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		r := restoring(t, h, s)
		ctx, d, leave, err := s.access.Enter(t.Context())
		require.NoError(t, err)
		h.raise("r", r, restoredPlan())
		time.Sleep(time.Second)
		require.Error(t, ctx.Err())
		require.NoError(t, d.Engine().SyncAll(), "still open")
		require.Equal(t, 503, h.status(s.URL()+"/_admin/server/availability"))
		_, err = h.dbs.Count(t.Context(), dbclient.Target{URL: s.URL()}, "s101", dbclient.CountRequest{})
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		leave()
		checkRestored(t, h, s)

		_, d, leave, err = s.access.Enter(t.Context())
		require.NoError(t, err)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			h.stop("db1")
		}()
		synctest.Wait()
		require.NoError(t, d.Engine().SyncAll(), "still open")
		leave()
		<-stopped
		require.Error(t, d.Engine().SyncAll())
	})
}
