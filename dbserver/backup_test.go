package dbserver

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
)

func TestBackupIsListedAndIntact(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.insert(s, "s101", "a", `{}`)
		h.backup(s, "b1")
		require.Equal(t, []string{"b1"}, h.listed(s))
		v, err := h.dbs.Verify(t.Context(), h.target(s), dbclient.PieceRequest{ID: "b1"})
		require.NoError(t, err)
		require.Empty(t, v.Problems)
		require.ErrorIs(t, h.dbs.Delete(t.Context(), h.target(s), dbclient.PieceRequest{ID: "b1"}), apierror.BackupConflict, "the agency does not say so")
		require.Equal(t, []string{"b1"}, h.listed(s))
		h.net.Delay("agent", "db1", 300*time.Millisecond) // it is asked before it learns of it
		h.deleted("b1", s)
		require.NoError(t, h.dbs.Delete(t.Context(), h.target(s), dbclient.PieceRequest{ID: "b1"}))
		require.Empty(t, h.listed(s))
		require.False(t, h.read(keys.HotBackupDeletion(s.ID(), "b1")).Exists())
		require.ErrorIs(t, h.dbs.Delete(t.Context(), h.target(s), dbclient.PieceRequest{ID: "b1"}), apierror.FileNotFound)
	})
}

// A server that was down while a backup was deleted removes its piece when it is back,
// also one that it had not published yet, and leaves those of other backups.
func TestDeletedWhileAway(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.backup(s, "b1")
		h.backup(s, "b2")
		h.lock("b3", "n-b3")
		h.piece(s, "b3", "n-b3")
		h.stop("db1")
		h.unlock("n-b3", commitOf("b3", "n-b3"))
		h.deleted("b1", s)
		h.deleted("b3", s)
		h.deleted("never-here", s)
		s = h.start("db1")
		require.Equal(t, []string{"b2"}, h.listed(s))
		h.eventually(keys.HotBackupDeleted+"/"+s.ID(), func(n *agencyclient.Node) bool { return n.Len() == 0 })
		pending, err := s.data.pieces.Store.Attempts.Pending()
		require.NoError(t, err)
		require.Empty(t, pending)

		h.deleted("b2", s) // while it runs it finds that out by itself
		h.eventually(keys.HotBackupDeleted+"/"+s.ID(), func(n *agencyclient.Node) bool { return n.Len() == 0 })
		require.Empty(t, h.listed(s))
	})
}

// While the gate is held no write is acknowledged, reads go on, and the writes
// that queued are done once it opens.
func TestGateHoldsWritersAndNotReaders(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		to := h.target(s)
		h.lock("b", "n")
		_, err := h.hold(t.Context(), to, dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 60})
		require.NoError(t, err)
		var group sync.WaitGroup
		written := make(chan error, 3)
		for i := range 2 {
			group.Go(func() {
				_, err := h.dbs.Documents(t.Context(), to, "s101", dbclient.DocumentsRequest{
					Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: key(i), Document: json.RawMessage(`{}`)}},
				})
				written <- err
			})
		}
		group.Go(func() { written <- h.dbs.Truncate(t.Context(), to, "s101", dbclient.TruncateRequest{}) })
		synctest.Wait()
		time.Sleep(2 * time.Second)
		require.Empty(t, written, "writes pass a gate that is held")
		require.Empty(t, h.keysOf(s, "s101"))

		report, err := h.dbs.GateRelease(t.Context(), to, dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Attempt: 1})
		require.NoError(t, err)
		require.True(t, report.Unbroken)
		require.Equal(t, 3, report.WritersWaited)
		require.GreaterOrEqual(t, report.DeadLongestSeconds, 2.0)
		group.Wait()
		for range 3 {
			require.NoError(t, <-written)
		}
	})
}

// A lock request whose client has gone stops waiting, and does not keep the gate.
func TestLockEndsWithItsClient(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.lock("b", "n")
		leave, err := s.gate.Enter(t.Context()) // a writer that takes its time
		require.NoError(t, err)
		defer leave()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = h.hold(ctx, h.target(s), dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 300, LeaseSeconds: 60})
		require.ErrorIs(t, err, apierror.ConnectionLost)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		h.insert(s, "s101", "a", `{}`) // would queue until the window ends
		require.ErrorIs(t, s.gate.Check("n", 1), apierror.GateLost)
	})
}

func TestCutNeedsTheGate(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		to := h.target(s)
		h.lock("b1", "n")
		require.NoError(t, h.dbs.Prepare(t.Context(), to, dbclient.PieceRequest{ID: "b1", Nonce: "n"}))
		_, err := h.dbs.Cut(t.Context(), to, dbclient.CutRequest{ID: "b1", Nonce: "n", Attempt: 1})
		require.ErrorIs(t, err, apierror.GateLost, "it cuts without the gate")
		_, err = h.hold(t.Context(), to, dbclient.GateLockRequest{ID: "b1", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 1})
		require.NoError(t, err)
		time.Sleep(2 * time.Second) // the lease ends
		_, err = h.dbs.Cut(t.Context(), to, dbclient.CutRequest{ID: "b1", Nonce: "n", Attempt: 1})
		require.ErrorIs(t, err, apierror.GateLost)
		_, err = h.dbs.Cut(t.Context(), to, dbclient.CutRequest{ID: "b1", Nonce: "n", Attempt: 1, Unprotected: true})
		require.NoError(t, err)
	})
}

// A cut whose gate was lost while it was made is refused. An event sink stands still between the two looks at the
// gate for longer than the lease.
func TestGateLostDuringTheCut(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		fixed := 0
		h.steps = func(_ context.Context, e event.Event) {
			if e.Step == event.CutFixed {
				fixed++
				time.Sleep(2 * time.Second)
			}
		}
		s := h.start("db1")
		to := h.target(s)
		h.lock("b1", "n")
		require.NoError(t, h.dbs.Prepare(t.Context(), to, dbclient.PieceRequest{ID: "b1", Nonce: "n"}))
		_, err := h.hold(t.Context(), to, dbclient.GateLockRequest{ID: "b1", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 1})
		require.NoError(t, err)
		_, err = h.dbs.Cut(t.Context(), to, dbclient.CutRequest{ID: "b1", Nonce: "n", Attempt: 1})
		require.ErrorIs(t, err, apierror.GateLost)
		require.ErrorContains(t, err, "after the cut")
		require.Equal(t, 1, fixed)
	})
}

// After a restart the gate is open and the release says that the hold was broken.
func TestRestartBreaksTheHold(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.lock("b", "n")
		_, err := h.hold(t.Context(), h.target(s), dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 300})
		require.NoError(t, err)
		h.crash("db1")
		s = h.start("db1")
		h.insert(s, "s101", "a", `{}`)
		report, err := h.dbs.GateRelease(t.Context(), h.target(s), dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Attempt: 1})
		require.NoError(t, err)
		require.False(t, report.Unbroken)
		require.NotEmpty(t, report.Reason)
	})
}

// A pending piece is what the agency says of its backup, whenever the server
// learns it: at its start, or while it runs.
func TestPendingPieces(t *testing.T) {
	for name, c := range map[string]struct {
		restart, committed bool
	}{
		"committed, then restart": {true, true}, "given up, then restart": {true, false},
		"committed": {false, true}, "given up": {false, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				s := h.start("db1")
				h.collection("100", "s101", s)
				h.lock("b1", "n")
				h.piece(s, "b1", "n")
				require.Empty(t, h.listed(s))
				if c.restart {
					h.crash("db1")
				}
				commit := map[string]any{}
				if c.committed {
					commit = commitOf("b1", "n")
				}
				h.unlock("n", commit)
				if c.restart {
					s = h.start("db1")
				}
				time.Sleep(time.Second)
				if c.committed {
					require.Equal(t, []string{"b1"}, h.listed(s))
				} else {
					require.Empty(t, h.listed(s))
				}
				pending, err := s.data.pieces.Store.Attempts.Pending()
				require.NoError(t, err)
				require.Empty(t, pending)
			})
		})
	}
}

// While the lock is held the piece waits, also across a restart.
func TestPendingPieceWaitsForTheLock(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.lock("b1", "n")
		h.piece(s, "b1", "n")
		h.crash("db1")
		s = h.start("db1")
		time.Sleep(time.Minute)
		pending, err := s.data.pieces.Store.Attempts.Pending()
		require.NoError(t, err)
		require.Len(t, pending, 1)
		require.NoError(t, h.dbs.Drop(t.Context(), h.target(s), dbclient.PieceRequest{ID: "b1", Nonce: "n"}))
		pending, err = s.data.pieces.Store.Attempts.Pending()
		require.NoError(t, err)
		require.Empty(t, pending)
	})
}

// A coordinator that does not know that its commit succeeded cannot undo it.
func TestCommittedPieceIsNotDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.lock("b1", "n")
		h.piece(s, "b1", "n")
		h.unlock("n", commitOf("b1", "n"))
		require.ErrorIs(t, h.dbs.Drop(t.Context(), h.target(s), dbclient.PieceRequest{ID: "b1", Nonce: "n"}), apierror.BackupConflict, "a committed piece is dropped")
		time.Sleep(time.Second)
		require.Equal(t, []string{"b1"}, h.listed(s))
	})
}

// restoring is a server with a backup b1 that holds document "old", a document
// "new" since, and the restore staged. It gives the restore's record.
func restoring(t *testing.T, h *house, s *Server) keys.Restore {
	t.Helper()
	h.collection("100", "s101", s)
	h.insert(s, "s101", "old", `{}`)
	h.backup(s, "b1")
	h.insert(s, "s101", "new", `{}`)
	h.collection("200", "s201", s)
	h.lock("b1", "r")
	require.NoError(t, h.dbs.Stage(t.Context(), h.target(s), stageRequest(s, "r")))
	return keys.Restore{Epoch: 1, BackupID: "b1", Nonce: "r", Previous: "f1", Servers: map[string]string{s.ID(): s.ID()}}
}

func stageRequest(s *Server, nonce string) dbclient.StageRequest {
	return dbclient.StageRequest{ID: "b1", Source: s.ID(), Epoch: 1, Nonce: nonce, FailsafeID: "f1",
		FailsafeTime: "2026-01-01T00:00:00Z", NrDBServers: 1, FailsafeDump: json.RawMessage(`{}`)}
}

// restoredPlan is Plan without what came after the backup.
func restoredPlan() map[string]any {
	return map[string]any{keys.PlanCollection("_system", "200"): agencyclient.Delete()}
}

func (h *house) reached(s *Server, epoch uint64) {
	h.t.Helper()
	h.eventually(keys.ServerKnown(s.ID())+"/epoch", func(n *agencyclient.Node) bool {
		have, _ := n.Int()
		return uint64(have) == epoch
	})
}

// checkRestored demands the state of the backup, the failsafe listed, nothing left over.
func checkRestored(t *testing.T, h *house, s *Server) {
	t.Helper()
	h.reached(s, 1)
	require.Equal(t, []string{"old"}, h.keysOf(s, "s101"))
	require.Equal(t, []string{"b1", "f1"}, h.listed(s))
	_, err := h.dbs.Count(t.Context(), h.target(s), "s201", dbclient.CountRequest{})
	require.ErrorIs(t, err, apierror.ShardGone)
	h.eventually(keys.CurrentCollections+"/_system/200", func(n *agencyclient.Node) bool { return !n.Exists() })
	_, err = h.dbs.Count(t.Context(), dbclient.Target{URL: s.URL()}, "s101", dbclient.CountRequest{})
	require.ErrorIs(t, err, apierror.WrongEpoch, "the epoch before")
	staged, err := s.data.pieces.Store.Restores.Staged()
	require.NoError(t, err)
	require.Empty(t, staged)
	h.insert(s, "s101", "after", `{}`)
}

func TestRestoreSwapsTheEngine(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		var mu sync.Mutex
		var steps []event.Name
		h.steps = func(_ context.Context, e event.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Operation == keys.OperationRestore {
				steps = append(steps, e.Step)
			}
		}
		s := h.start("db1")
		r := restoring(t, h, s)
		before := revisionOf(t, h, s, "new")
		h.raise("r", r, restoredPlan())
		checkRestored(t, h, s)
		require.Greater(t, revisionOf(t, h, s, "after"), before, "revisions go on across a restore")
		h.unlock("r", nil)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, []event.Name{event.EngineSwapping, event.EngineSwapped}, steps)
	})
}

func revisionOf(t *testing.T, h *house, s *Server, key string) string {
	t.Helper()
	r, err := h.dbs.Documents(t.Context(), h.target(s), "s101", dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: key}}})
	require.NoError(t, err)
	require.Nil(t, r.Results[0].Error)
	return r.Results[0].Rev
}

// A server that was away when the restore was committed does it when it comes.
func TestRestoreAtTheNextStart(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		r := restoring(t, h, s)
		h.crash("db1")
		h.raise("r", r, restoredPlan())
		s = h.start("db1")
		checkRestored(t, h, s)
	})
}

// The process dies at some moment of the swap: the next start finishes it.
func TestRestoreCrashesAtAnyMoment(t *testing.T) {
	for _, wait := range []event.Name{event.EngineSwapping, event.EngineSwapped} {
		t.Run(string(wait), func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				died := make(chan struct{})
				h.steps = func(ctx context.Context, e event.Event) {
					if e.Step == wait {
						close(died)
						<-ctx.Done() // never comes back
					}
				}
				s := h.start("db1")
				r := restoring(t, h, s)
				h.raise("r", r, restoredPlan())
				<-died
				h.steps = nil
				h.crash("db1")
				s = h.start("db1")
				checkRestored(t, h, s)
			})
		})
	}
}

// Before the commit a restore leaves no trace, whichever side gives it up.
func TestRestoreGivenUp(t *testing.T) {
	for name, giveUp := range map[string]func(*testing.T, *house, *Server){
		"undone": func(t *testing.T, h *house, s *Server) {
			require.NoError(t, h.dbs.Unstage(t.Context(), h.target(s), dbclient.UnstageRequest{Epoch: 1, Nonce: "r"}))
		},
		"lock lost": func(t *testing.T, h *house, s *Server) { h.unlock("r", nil) },
		"restart": func(t *testing.T, h *house, s *Server) {
			h.crash("db1")
			h.unlock("r", nil)
			h.start("db1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				s := h.start("db1")
				restoring(t, h, s)
				giveUp(t, h, s)
				s = h.up["db1"]
				time.Sleep(time.Second)
				staged, err := s.data.pieces.Store.Restores.Staged()
				require.NoError(t, err)
				require.Empty(t, staged)
				require.Equal(t, []string{"new", "old"}, h.keysOf(s, "s101"))
			})
		})
	}
}

// What was staged under a lock that is lost cannot replace what another restore
// stages, nor can an unstage undo what is committed.
func TestLateRestoreRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		r := restoring(t, h, s)
		require.ErrorIs(t, h.dbs.Stage(t.Context(), h.target(s), stageRequest(s, "late")), apierror.BackupConflict, "it stages for who has not the lock")
		h.raise("r", r, restoredPlan())
		err := h.dbs.Unstage(t.Context(), h.target(s), dbclient.UnstageRequest{Epoch: 1, Nonce: "r"})
		require.ErrorIs(t, err, apierror.BackupConflict, "a committed restore is undone")
		checkRestored(t, h, s)
		require.ErrorIs(t, h.dbs.Stage(t.Context(), h.target(s), stageRequest(s, "r")), apierror.WrongEpoch)
	})
}

// Writers run all through a restore: each write is refused, or acknowledged; and
// what is acknowledged under the new epoch is there afterwards.
func TestRestoreUnderLoad(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		r := restoring(t, h, s)
		stop := make(chan struct{})
		var group sync.WaitGroup
		var mu sync.Mutex
		acknowledged := map[string]bool{"old": true}
		for w := range 4 {
			group.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
					name := fmt.Sprintf("w%d-%d", w, i)
					for epoch := range uint64(2) {
						answer, err := h.dbs.Documents(context.Background(), dbclient.Target{URL: s.URL(), Epoch: epoch}, "s101", dbclient.DocumentsRequest{
							Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: name, Document: json.RawMessage(`{}`)}},
						})
						if err == nil && answer.Results[0].Error == nil && epoch == 1 {
							mu.Lock()
							acknowledged[name] = true
							mu.Unlock()
						}
					}
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		h.raise("r", r, restoredPlan())
		h.reached(s, 1)
		time.Sleep(100 * time.Millisecond)
		close(stop)
		group.Wait()
		found := map[string]bool{}
		for _, name := range h.keysOf(s, "s101") {
			found[name] = true
		}
		require.Equal(t, acknowledged, found)
		require.Greater(t, len(found), 1)
	})
}

// A server that comes later starts at the cluster's epoch; a server that the
// restore passed over goes on with an empty engine and keeps its old one.
func TestServersOutsideTheRestore(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		r := restoring(t, h, s)
		h.unlock("r", nil)
		other := h.start("db2")
		h.collection("300", "s301", other)
		h.insert(other, "s301", "x", `{}`)
		h.lock("b1", "r")
		require.NoError(t, h.dbs.Stage(t.Context(), h.target(s), stageRequest(s, "r")))
		plan := restoredPlan()
		plan[keys.PlanCollection("_system", "300")] = agencyclient.Delete()
		h.raise("r", r, plan)
		h.reached(other, 1)
		require.Equal(t, []string{"f1"}, h.listed(other))
		_, err := h.dbs.Count(t.Context(), h.target(other), "s301", dbclient.CountRequest{})
		require.ErrorIs(t, err, apierror.ShardGone)
		checkRestored(t, h, s)
		h.unlock("r", nil)

		young := h.start("db3")
		h.reached(young, 1)
		require.Empty(t, h.listed(young))
	})
}
