//go:build failpoints

package dbserver

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/internal/failpoint"
)

// stopsWatching has the cache of the only DB server stay as it is, until the result is called.
func stopsWatching() (goOn func()) {
	again := make(chan struct{})
	clear := failpoint.Set("agency/client/cache", failpoint.Anybody, func(ctx context.Context, _ string) error {
		select {
		case <-again:
		case <-ctx.Done():
		}
		return nil
	})
	return sync.OnceFunc(func() { clear(); close(again) })
}

// What this server has of the agency's tree is older than the lock under which a restore
// is staged. The agency itself is asked before what is staged is removed.
func TestStagedUnderALockThatIsNotSeen(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.insert(s, "s101", "old", `{}`)
		h.backup(s, "b1")
		h.await("the lock is known to be free", func() bool { return !s.cluster.cache.Snapshot().Root.At(keys.HotBackupHolder).Exists() })
		before := s.cluster.cache.Snapshot()
		defer stopsWatching()()
		h.lock("b1", "r")
		require.NoError(t, h.dbs.Stage(t.Context(), h.target(s), stageRequest(s, "r")))
		require.NoError(t, s.data.pieces.Resolve(t.Context()))
		require.Equal(t, before.Index, s.cluster.cache.Snapshot().Index, "it has seen the lock")
		staged, err := s.data.pieces.Store.Restores.Staged()
		require.NoError(t, err)
		require.Len(t, staged, 1, "a restore is removed that holds the lock")
	})
}

// The same while the engine is changed, which goes by one tree from beginning to end.
func TestStagedWhileTheEngineIsChanged(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.insert(s, "s101", "old", `{}`)
		h.backup(s, "b1")
		before, err := s.reader.Read(t.Context())
		require.NoError(t, err)
		h.lock("b1", "r")
		require.NoError(t, h.dbs.Stage(t.Context(), h.target(s), stageRequest(s, "r")))
		swapped, err := s.data.pieces.SwapIn(t.Context(), before)
		require.NoError(t, err)
		require.False(t, swapped)
		staged, err := s.data.pieces.Store.Restores.Staged()
		require.NoError(t, err)
		require.Len(t, staged, 1, "a restore is removed that holds the lock")
	})
}

// A delete that comes between the agency's answer to a publish and the publish waits for it.
// It would find no piece, and the piece of a deleted backup would then be published.
func TestDeleteWaitsForAPublish(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.lock("b1", "n")
		h.piece(s, "b1", "n")
		defer stopsWatching()() // it would publish the piece by itself
		h.unlock("n", commitOf("b1", "n"))
		decided, goOn := make(chan struct{}), make(chan struct{})
		defer failpoint.Set("dbserver/pieces/publish", s.ID(), func(context.Context, string) error {
			close(decided)
			<-goOn
			return nil
		})()
		q, to := dbclient.PieceRequest{ID: "b1", Nonce: "n"}, h.target(s)
		published, deleted := make(chan error, 1), make(chan error, 1)
		go func() { published <- h.dbs.Publish(t.Context(), to, q) }()
		<-decided
		h.write(map[string]any{
			keys.HotBackupCommit("b1"):           agencyclient.Delete(),
			keys.HotBackupDeletion(s.ID(), "b1"): keys.Deletion{Coordinator: "CRDN-1"},
		}, nil)
		go func() { deleted <- h.dbs.Delete(t.Context(), to, dbclient.PieceRequest{ID: "b1"}) }()
		time.Sleep(time.Second)
		require.Empty(t, deleted, "a delete overtakes a publish")
		close(goOn)
		require.NoError(t, <-published)
		require.NoError(t, <-deleted)
		require.Empty(t, h.listed(s))
	})
}
