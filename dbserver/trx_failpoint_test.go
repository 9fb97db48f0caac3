//go:build failpoints

package dbserver

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/failpoint"
)

// A backup holds the gate of a server that becomes the leader of a shard on which a transaction is prepared. The leader serves nothing
// before the gate opens: what becomes of the transaction would be in the pieces of some servers, and not in this one's.
func TestNewLeaderWaitsForTheGateWithWhatIsPrepared(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		x, home, other := h.onTwoShards()
		require.NoError(t, x.commit(home, other, hasDecided))
		held := make(chan struct{})
		defer failpoint.Set("dbserver/reconcile/follow", other.at().ID(), func(ctx context.Context, _ string) error {
			select {
			case <-held:
			case <-ctx.Done():
			}
			return nil
		})()
		h.crash("db2")
		s, err := h.tryStart("db2")
		require.NoError(t, err)
		h.lock("b", "n")
		letGo, err := h.hold(t.Context(), h.target(s), dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 60, LockMode: dbclient.LockModeCommits})
		require.NoError(t, err)
		close(held)
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			_, err := s.data.host.Store().Led(other.shard)
			require.Error(t, err, "it leads with what is prepared while a gate is held")
		}
		require.NoError(t, s.gate.Check("n", 1))
		require.Error(t, letGo(), "its request was ended")
		h.unlock("n", nil)
		h.nothingIsHeld(home, other)
		h.whole(true, home, other)
	})
}

// A preparation takes so long that the shard asks its home meanwhile, which aborts the transaction; and the coordinator is dead.
// When it is answered at last, nothing may be held for what is over.
func TestPreparationIsOvertakenByItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		x, home, other := h.onTwoShards()
		require.NoError(t, x.commit(home, other, enteredBoth))
		s, overtaken := other.at(), false
		defer failpoint.Set("dbserver/transaction/prepared", s.ID(), func(ctx context.Context, _ string) error {
			on, err := s.data.host.Store().Led(other.shard)
			for err == nil && ctx.Err() == nil && !overtaken {
				time.Sleep(100 * time.Millisecond)
				doubt, err := on.Shard.Transactions().InDoubt(x.id)
				overtaken = err == nil && !doubt
			}
			time.Sleep(time.Second)
			return nil
		})()
		require.NoError(t, x.prepare(t.Context(), other, home))
		require.True(t, overtaken)
		h.nothingIsHeld(home, other)
		h.whole(false, home, other)
	})
}
