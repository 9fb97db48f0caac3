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
	"stasis/event"
	"stasis/internal/apierror"
)

// The agency's answers are slow, and a look at what is left over is in progress all
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
				_ = s.data.pieces.Resolve(ctx) // its last one is cut off by the end of the test
				time.Sleep(time.Millisecond)
			}
		})
		for n := range 10 {
			id, nonce := "b"+key(n), "n"+key(n)
			time.Sleep(time.Duration(n) * 37 * time.Millisecond)
			h.lock(id, nonce)
			require.NoError(t, h.dbs.Prepare(t.Context(), h.target(s), dbclient.PieceRequest{ID: id, Nonce: nonce}))
			time.Sleep(2 * time.Second)
			pending, err := s.data.pieces.Store.Attempts.Pending()
			require.NoError(t, err)
			require.Len(t, pending, 1, "try %d", n)
			require.Equal(t, id, pending[0].ID)
			h.unlock(nonce, nil)
			time.Sleep(2 * time.Second)
			pending, err = s.data.pieces.Store.Attempts.Pending()
			require.NoError(t, err)
			require.Empty(t, pending, "given up in try %d", n)
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

// A server that stood still finds a lock that its coordinator has given up, and the
// release that followed it. Whichever it sees first, its gate does not stay closed.
func TestLockAfterItsRelease(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		to := h.target(s)
		h.lock("b", "n")
		h.net.Freeze("db1")
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := h.hold(soon, to, dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 300})
		require.Error(t, err)
		h.net.Thaw("db1")
		_, err = h.dbs.GateRelease(t.Context(), to, dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Final: true})
		require.NoError(t, err)
		begun := time.Now()
		h.insert(s, "s101", "a", `{}`)
		require.Less(t, time.Since(begun), time.Second)
	})
}

// A lock that was given up before it came does not close the gate: no release would open it
// before its lease ends.
func TestLockThatWasGivenUpIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.lock("b", "n")
		_, err := h.dbs.GateRelease(t.Context(), h.target(s), dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Final: true})
		require.NoError(t, err)
		_, err = h.hold(t.Context(), h.target(s), dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 300})
		require.ErrorIs(t, err, apierror.GateLost, "a lock that was given up closes the gate")
	})
}

// A server that knows of a restore, and has not begun to change its engine, answers
// nothing from the data that is about to go: others may show the restored data already.
func TestRequestAfterTheRestoreIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		changing, goOn := make(chan struct{}), make(chan struct{})
		change := sync.OnceFunc(func() { close(goOn) })
		defer change()
		h.steps = func(_ context.Context, e event.Event) {
			if e.Step == event.EngineSwapping {
				close(changing)
				<-goOn
			}
		}
		s := h.start("db1")
		r := restoring(t, h, s)
		h.raise("r", r, restoredPlan())
		<-changing
		_, err := h.dbs.Count(t.Context(), dbclient.Target{URL: s.URL()}, "s101", dbclient.CountRequest{})
		require.ErrorIs(t, err, apierror.WrongEpoch, "it shows data that is about to be replaced")
		change()
		checkRestored(t, h, s)
	})
}

// A publish that comes late, after the backup was deleted again, publishes nothing:
// no record would tell of that piece any more.
func TestPublishAfterTheDelete(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.lock("b1", "n")
		h.piece(s, "b1", "n")
		to := h.target(s)
		h.net.Delay("agent", "db1", 300*time.Millisecond) // it learns of both at once
		h.unlock("n", commitOf("b1", "n"))
		h.write(map[string]any{keys.HotBackupCommit("b1"): agencyclient.Delete()}, nil)
		require.ErrorIs(t, h.dbs.Publish(t.Context(), to, dbclient.PieceRequest{ID: "b1", Nonce: "n"}), apierror.BackupConflict, "a deleted backup is published")
		time.Sleep(2 * time.Second)
		require.Empty(t, h.listed(s))
		pending, err := s.data.pieces.Store.Attempts.Pending()
		require.NoError(t, err)
		require.Empty(t, pending)
	})
}

// An agency that does not know a server has no say over the data that it holds: the
// agents' directories were lost, or it is another cluster's.
func TestForgetfulAgencyIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.insert(s, "s101", "a", `{}`)
		h.stop("db1")
		known := h.read(keys.ServerKnown(s.ID()))
		h.write(map[string]any{
			keys.ServerKnown(s.ID()):                     agencyclient.Delete(),
			keys.PlanCollection("_system", "100"):        agencyclient.Delete(),
			keys.PlanDBServers + "/" + s.ID():            agencyclient.Delete(),
			keys.CurrentCollections + "/_system/100":     agencyclient.Delete(),
			keys.CurrentServersRegistered + "/" + s.ID(): agencyclient.Delete(),
		}, nil)
		_, err := h.tryStart("db1")
		require.ErrorContains(t, err, "does not know")

		// Nothing was touched: with its own agency it goes on.
		h.write(map[string]any{keys.ServerKnown(s.ID()): known}, nil)
		h.write(map[string]any{keys.PlanCollection("_system", "100"): keys.Collection{
			ID: "100", Name: "c100", Shards: map[string][]string{"s101": {s.ID()}}, ShardTerms: map[string]uint64{"s101": 1},
		}}, nil)
		s = h.start("db1")
		require.Equal(t, []string{"a"}, h.keysOf(s, "s101"))
	})
}

// A gate is held for a backup, and a backup without the agency lock will never be:
// when the lock is taken away, whatever is left of the gate's lease is for nothing.
func TestGateOpensWithTheAgencyLock(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.lock("b", "n")
		_, err := h.hold(t.Context(), h.target(s), dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 300})
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.NoError(t, s.gate.Check("n", 1), "the lock is there")
		h.unlock("n", nil) // as the supervision does
		begun := time.Now()
		h.insert(s, "s101", "a", `{}`)
		require.Less(t, time.Since(begun), time.Second, "the gate stays closed without the agency lock")
		report, err := h.dbs.GateRelease(t.Context(), h.target(s), dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Attempt: 1})
		require.NoError(t, err)
		require.Less(t, report.HeldSeconds, 2.0)
	})
}

// A server that joined during a restore has nothing to set aside: a
// piece of it in the failsafe would not fit the others, and the failsafe could not be
// restored.
func TestJoinedDuringARestore(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		r := restoring(t, h, s)
		h.unlock("r", nil)
		joined := h.start("db2")
		h.lock("b1", "r")
		require.NoError(t, h.dbs.Stage(t.Context(), h.target(s), stageRequest(s, "r")))
		h.raise("r", r, restoredPlan())
		h.reached(joined, 1)
		require.Empty(t, h.listed(joined))
		checkRestored(t, h, s)
		h.unlock("r", nil)
		h.collection("300", "s301", joined)
		h.insert(joined, "s301", "x", `{}`)
		h.crash("db2")
		joined = h.start("db2")
		require.EqualValues(t, 1, joined.known.epoch.Load())
	})
}
