package dbserver

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/client"
	"stasis/internal/apierror"
)

// The agency's answers are slow, and a look at what is left over is under way all
// the time. Whatever a look finds was begun under a lock that its question must
// have seen: a piece that is begun while an answer is on its way stays.
func TestPieceBegunDuringALookStays(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.net.Delay("agent", "db1", 300*time.Millisecond)
		ctx, stop := context.WithCancel(t.Context())
		var looks sync.WaitGroup
		defer looks.Wait()
		defer stop()
		looks.Go(func() {
			for ctx.Err() == nil {
				_ = s.settlePieces(ctx) // its last one is cut off by the end of the test
				time.Sleep(time.Millisecond)
			}
		})
		for n := range 10 {
			id, nonce := "b"+key(n), "n"+key(n)
			time.Sleep(time.Duration(n) * 37 * time.Millisecond)
			h.lock(id, nonce)
			require.NoError(t, h.dbs.Prepare(t.Context(), h.target(s), client.PieceRequest{ID: id, Nonce: nonce}))
			time.Sleep(2 * time.Second)
			pending, err := s.pieces.Load().Pending()
			require.NoError(t, err)
			require.Len(t, pending, 1, "round %d", n)
			require.Equal(t, id, pending[0].ID)
			h.unlock(nonce, nil)
			time.Sleep(2 * time.Second)
			pending, err = s.pieces.Load().Pending()
			require.NoError(t, err)
			require.Empty(t, pending, "given up in round %d", n)
		}
	})
}

// A stage that arrives again after the commit, before the server has learnt of
// that, must not touch what is about to be swapped in.
func TestStageAfterTheCommit(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		r := restoring(t, h, s)
		to := h.target(s)
		h.net.Delay("agent", "db1", 300*time.Millisecond)
		h.raise("r", r, restoredPlan())
		err := h.dbs.Stage(t.Context(), to, stageRequest(s, "r"))
		require.ErrorIs(t, err, apierror.WrongEpoch)
		checkRestored(t, h, s)
	})
}
