package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
)

// restorable gives a world with a backup of the values 1, 2, 3, and 10, 20, 30
// now, with another collection and higher counters.
func restorable(t *testing.T, test func(w *world, id string)) {
	t.Helper()
	inWorld(t, threeServers, func(w *world) {
		for i, id := range threeServers {
			require.NoError(t, w.servers[id].write(context.Background(), i+1))
		}
		id := w.create("good").ID
		for i, id := range threeServers {
			require.NoError(t, w.servers[id].write(context.Background(), 10*(i+1)))
		}
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{
			keys.PlanCollections + "/_system/200": map[string]any{"id": "200", "name": "later", "shards": map[string]any{"s200": []string{"PRMR-1"}}},
			keys.PlanVersion:                      agencyclient.Increment(5), keys.LatestID: 2000,
		}})
		w.servers["PRMR-1"].report(context.Background())
		test(w, id)
	})
}

func (w *world) values() []int {
	var out []int
	for _, id := range threeServers {
		v, _ := w.servers[id].now()
		out = append(out, v)
	}
	return out
}

// requireUnchanged: the restore was never asked for.
func (w *world) requireUnchanged(note string) {
	w.t.Helper()
	root := w.agency.root()
	require.False(w.t, root.At(keys.HotBackupCreate).Exists(), "%s: the lock is left", note)
	require.False(w.t, root.At(keys.HotBackupRestore).Exists(), "%s: a restore is recorded", note)
	require.Zero(w.t, topology.Number(root.At(keys.RestoreEpoch)), note)
	require.EqualValues(w.t, 12, topology.Number(root.At(keys.PlanVersion)), note)
	require.True(w.t, root.At(keys.PlanCollection("_system", "200")).Exists(), note)
	require.Equal(w.t, []int{10, 20, 30}, w.values(), note)
	for id, s := range w.servers {
		require.Empty(w.t, s.stagedEpochs(), "%s: %s has staged engines", note, id)
		require.Len(w.t, s.pieceIDs(), 1, "%s: %s", note, id)
	}
}

// requireRestored: every server serves the backup, and Plan is that of the backup.
func (w *world) requireRestored(note string) {
	w.t.Helper()
	root := w.agency.root()
	require.False(w.t, root.At(keys.HotBackupCreate).Exists(), "%s: the lock is left", note)
	require.EqualValues(w.t, 1, topology.Number(root.At(keys.RestoreEpoch)), note)
	require.EqualValues(w.t, 13, topology.Number(root.At(keys.PlanVersion)), note)
	require.EqualValues(w.t, 1000+(1<<32), topology.Number(root.At(keys.LatestID)), "%s: ids that were given out must not come back", note)
	require.False(w.t, root.At(keys.PlanCollection("_system", "200")).Exists(), note)
	require.True(w.t, root.At(keys.PlanCollection("_system", "100")).Exists(), note)
	require.Equal(w.t, []int{1, 2, 3}, w.values(), note)
	require.Empty(w.t, topology.Lagging(root, 1), note)
	require.Empty(w.t, topology.Leaderless(root), note)
	for id, s := range w.servers {
		require.Empty(w.t, s.stagedEpochs(), "%s: %s", note, id)
		require.Len(w.t, s.pieceIDs(), 2, "%s: %s has backup and failsafe", note, id)
	}
}

func TestRestoreBringsEverythingBack(t *testing.T) {
	restorable(t, func(w *world, id string) {
		r, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
		require.NoError(t, err)
		require.True(t, r.IsCluster)
		require.Regexp(t, `^2000-01-01T00\.00\.\d\dZ_failsafe$`, r.Previous)
		w.requireRestored("restore")

		listed, err := w.service(coordinatorB).List(context.Background(), ListRequest{IDs: []string{r.Previous}})
		require.NoError(t, err)
		require.Equal(t, dbclient.PieceFailsafe, listed.List[r.Previous].Kind)
		require.True(t, listed.List[r.Previous].Available)

		// The failsafe is a backup: it brings back what was there before.
		_, err = w.service(coordinatorB).Restore(context.Background(), RestoreRequest{ID: r.Previous})
		require.NoError(t, err)
		require.Equal(t, []int{10, 20, 30}, w.values())
		require.True(t, w.agency.root().At(keys.PlanCollection("_system", "200")).Exists())
		// And the same backup can be restored again.
		_, err = w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
		require.NoError(t, err)
		require.Equal(t, []int{1, 2, 3}, w.values())
	})
}

// Every call of a restore fails once: before the commit it is as if never asked,
// after it the restore completes.
func TestRestoreFailsCleanlyAtEveryCall(t *testing.T) {
	for _, how := range []mode{refused, lost, vanished} {
		t.Run(how.String(), func(t *testing.T) {
			failed, succeeded := 0, 0
			for n := 0; ; n++ {
				fired := ""
				restorable(t, func(w *world, id string) {
					w.faults.failAt, w.faults.mode = len(w.faults.calls)+n, how
					_, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
					fired, w.faults.failAt = w.faults.fired, -1
					note := fmt.Sprintf("call %d (%s) %v: %v", n, fired, how, err)
					if err != nil {
						failed++
						require.NotErrorIs(t, err, operation.ErrOutcomeUnknown, note)
						w.requireUnchanged(note)
						return
					}
					succeeded++
					w.requireRestored(note)
				})
				if fired == "" {
					break
				}
			}
			t.Logf("%d calls failed the restore, %d did not", failed, succeeded)
			require.Greater(t, failed, 5)
			require.Greater(t, succeeded, 1)
		})
	}
}

func TestRestoreIsCancelledCleanlyAtEveryStep(t *testing.T) {
	for n, done := 0, false; !done; n++ {
		restorable(t, func(w *world, id string) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			seen, at, committed := 0, event.Name(""), false
			s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
				if seen == n {
					at = e.Step
					cancel()
				}
				seen++
				committed = committed || e.Step == event.PlanSwitched
			}))
			_, err := s.Restore(ctx, RestoreRequest{ID: id})
			note := fmt.Sprintf("event %d (%s): %v", n, at, err)
			done = at == ""
			if committed {
				require.NoError(t, err, note)
				w.requireRestored(note)
				return
			}
			require.ErrorIs(t, err, apierror.Cancelled, note)
			w.requireUnchanged(note)
		})
	}
}

// While it runs nothing else changes Plan, and no backup begins.
func TestRestoreKeepsTheLockUntilAllServersAreDone(t *testing.T) {
	restorable(t, func(w *world, id string) {
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.slowSwap = time.Minute })
		var other sync.WaitGroup
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step != event.Converging {
				return
			}
			other.Go(func() {
				_, err := w.service(coordinatorB).Create(context.Background(), CreateRequest{Timeout: 30 * time.Second})
				require.ErrorContains(t, err, "restore of backup "+id)
				_, err = w.agency.apply(agencyclient.Tx{Ops: map[string]any{keys.PlanVersion: agencyclient.Increment(1)}})
				require.ErrorIs(t, err, agencyclient.ErrPrecondition)
			})
		}))
		_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
		require.NoError(t, err)
		other.Wait()
		w.requireRestored("slow")
	})
}

// A server does not come back in time: the error says that the restore is committed, the
// lock is released, and the server swaps when it is there.
func TestRestoreThatDoesNotConvergeCompletesByItself(t *testing.T) {
	restorable(t, func(w *world, id string) {
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.slowSwap = time.Hour })
		begun := time.Now()
		_, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
		require.ErrorIs(t, err, apierror.BackupRestore)
		require.Equal(t, apierror.OutcomeCommitted, apierror.From(err).Extra[apierror.Outcome], "the client is not told")
		for _, part := range []string{"was committed and completes by itself", "PRMR-2 has epoch 0 of 1", "_failsafe"} {
			require.ErrorContains(t, err, part)
		}
		require.InDelta(t, (15 * time.Minute).Seconds(), time.Since(begun).Seconds(), 30)
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
		time.Sleep(time.Hour)
		w.requireRestored("late")
	})
}

// Another epoch came between: the commit's precondition sees it.
func TestRestoreAfterAnotherRestoreIsRefused(t *testing.T) {
	restorable(t, func(w *world, id string) {
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.PlanSwitching { // by hand: the lock makes it impossible otherwise
				w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.RestoreEpoch: 4}})
			}
		}))
		_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
		require.Error(t, err, "another restore came between")
		require.Equal(t, []int{10, 20, 30}, w.values())
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
	})
}

func TestRestoreRefusesWhatIsNotWhole(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(w *world, id string)
		num    apierror.Num
		says   string
		ignore bool
	}{
		"piece missing": {func(w *world, id string) { delete(w.servers["PRMR-2"].pieces, id) }, apierror.BackupRestore, "the pieces of PRMR-2 are missing", false},
		"two missing, no record": {func(w *world, id string) {
			delete(w.servers["PRMR-2"].pieces, id)
			delete(w.servers["PRMR-3"].pieces, id)
			w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCommit(id): agencyclient.Delete()}})
		}, apierror.BackupRestore, "the pieces of PRMR-2, PRMR-3 are missing", false},
		"unknown": {func(w *world, id string) {
			for _, s := range w.servers {
				delete(s.pieces, id)
			}
			w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCommit(id): agencyclient.Delete()}})
		}, apierror.NotFound, "there is no backup", false},
		"server down": {func(w *world, id string) {
			w.faults.breakCalls(func(c string) bool { return c == "list PRMR-3" })
		}, apierror.ServiceUnavailable, "stasis cluster remove PRMR-3", false},
		"newer version": {func(w *world, id string) { w.servers["PRMR-1"].pieces[id].meta.Version = "3.13.0" }, apierror.BackupRestore, "3.13.0", false},
		"other certificate": {func(w *world, id string) {
			p := w.servers["PRMR-1"].pieces[id]
			p.cert = append([]byte(`{"x":1,`), p.cert[1:]...)
		}, apierror.BackupRestore, "PRMR-1", false},
		"no certificate": {func(w *world, id string) { w.servers["PRMR-3"].pieces[id].cert = nil }, apierror.BackupRestore, "PRMR-3 has no certificate", false},
		"other dump": {func(w *world, id string) {
			p := w.servers["PRMR-2"].pieces[id]
			p.dump = []byte(`{"clusterId":"other","index":1,"term":1,"dump":[]}`)
		}, apierror.BackupRestore, "PRMR-2", false},
		"other manifest":   {func(w *world, id string) { w.servers["PRMR-2"].pieces[id].meta.ManifestSHA256 = "x" }, apierror.BackupRestore, "PRMR-2", false},
		"fewer DB servers": {func(w *world, id string) { w.removeServer("PRMR-3") }, apierror.BackupRestore, "PRMR-3", false},
	} {
		t.Run(name, func(t *testing.T) {
			restorable(t, func(w *world, id string) {
				c.spoil(w, id)
				before := w.agency.root().At(keys.Plan)
				_, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id, IgnoreVersion: c.ignore})
				require.ErrorIs(t, err, c.num)
				require.ErrorContains(t, err, c.says)
				require.Equal(t, []int{10, 20, 30}, w.values())
				require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
				require.Same(t, before, w.agency.root().At(keys.Plan), "Plan has changed")
			})
		})
	}
}

func (w *world) removeServer(id string) {
	w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.PlanDBServers + "/" + id: agencyclient.Delete()}})
}

func TestIgnoreVersionRestoresNevertheless(t *testing.T) {
	restorable(t, func(w *world, id string) {
		for _, s := range w.servers {
			s.pieces[id].meta.Version = "9.1.0"
		}
		_, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id, IgnoreVersion: true})
		require.NoError(t, err)
		w.requireRestored("ignoreVersion")
	})
}

// A server that joined after the backup gets an empty engine; one that took the
// place of a lost one, whose piece it was given, gets that and its shards.
func TestRestoreOnOtherServers(t *testing.T) {
	restorable(t, func(w *world, id string) {
		moved := w.servers["PRMR-2"].pieces[id]
		w.removeServer("PRMR-2")
		for _, name := range []string{"PRMR-7", "PRMR-8"} {
			s := newFakeServer(name, w.agency, w.faults)
			w.servers[name] = s
			w.agency.must(t, agencyclient.Tx{Ops: map[string]any{
				keys.PlanDBServers + "/" + name: "none",
				keys.ServerRegistered(name):     keys.Registered{Endpoint: "tcp://" + name + ":1"},
				keys.ServerKnown(name):          keys.Known{RebootID: 1},
			}})
			ctx, stop := context.WithCancel(context.Background())
			w.group.Go(func() { s.follow(ctx) })
			defer stop()
		}
		w.servers["PRMR-7"].pieces[id] = moved
		require.NoError(t, w.servers["PRMR-8"].write(context.Background(), 80))
		delete(w.servers, "PRMR-2")

		_, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
		require.NoError(t, err)
		for name, want := range map[string]int{"PRMR-1": 1, "PRMR-7": 2, "PRMR-3": 3, "PRMR-8": 0} {
			got, epoch := w.servers[name].now()
			require.Equal(t, want, got, name)
			require.EqualValues(t, 1, epoch, name)
		}
		var shards map[string][]string
		c := w.agency.root().At(keys.PlanCollection("_system", "100"))
		require.NoError(t, c.At("shards").Decode(&shards))
		require.Equal(t, map[string][]string{"s1": {"PRMR-1"}, "s2": {"PRMR-7"}, "s3": {"PRMR-3"}}, shards)
		require.Equal(t, "PRMR-1", c.At("name").Text(), "a collection may be called like a server")
	})
}

// orphaned leaves a committed restore whose coordinator died right after the commit.
func (w *world) orphaned(id string) (nonce string) {
	ctx, stop := context.WithCancel(context.Background())
	finished := make(chan error, 1)
	s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
		if e.Step == event.PlanSwitched {
			nonce = w.agency.root().At(keys.HotBackupNonce).Text()
			w.faults.breakCalls(func(string) bool { return true }) // nothing of this coordinator gets out any more
			stop()
		}
	}))
	go func() { finished <- s.Run(ctx) }()
	_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
	require.ErrorContains(w.t, err, "committed")
	require.ErrorIs(w.t, <-finished, context.Canceled)
	w.faults.breakCalls(nil)
	require.Equal(w.t, nonce, w.agency.root().At(keys.HotBackupNonce).Text(), "the lock is an orphan")
	return nonce
}

// Any coordinator finishes the restore of one that is gone, when the servers have
// reported, and not before; and not that of one that is there.
func TestRecoveryReleasesTheLockOfADeadCoordinator(t *testing.T) {
	for name, die := range map[string]agencyclient.Tx{
		"restarted": {Ops: map[string]any{keys.ServerKnown(coordinatorA) + "/rebootId": 2}},
		"failed":    {Ops: map[string]any{keys.Health + "/" + coordinatorA + "/Status": "FAILED"}},
	} {
		t.Run(name, func(t *testing.T) {
			restorable(t, func(w *world, id string) {
				w.servers["PRMR-3"].quirk(func(q *quirks) { q.slowSwap = time.Minute })
				w.orphaned(id)
				ctx, stop := context.WithCancel(context.Background())
				var recovery sync.WaitGroup
				for _, id := range []string{coordinatorA, coordinatorB} {
					recovery.Go(func() { _ = w.service(id).Run(ctx) })
				}
				time.Sleep(2 * time.Minute)
				require.True(t, w.agency.root().At(keys.HotBackupCreate).Exists(), "its coordinator may be alive")
				w.agency.must(t, die)
				time.Sleep(time.Second)
				require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
				stop()
				recovery.Wait()
				w.requireRestored(name)
			})
		})
	}
}

func TestRecoveryWaitsForTheServers(t *testing.T) {
	restorable(t, func(w *world, id string) {
		w.servers["PRMR-3"].quirk(func(q *quirks) { q.slowSwap = time.Hour })
		w.orphaned(id)
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.ServerKnown(coordinatorA) + "/rebootId": 2}})
		ctx, stop := context.WithCancel(context.Background())
		var recovery sync.WaitGroup
		recovery.Go(func() { _ = w.service(coordinatorB).Run(ctx) })
		defer recovery.Wait()
		defer stop()
		time.Sleep(time.Minute)
		require.True(w.t, w.agency.root().At(keys.HotBackupCreate).Exists(), "a server has not swapped yet")
		time.Sleep(time.Hour)
		require.False(w.t, w.agency.root().At(keys.HotBackupCreate).Exists())
	})
}

// The commit's answer is lost and the agency with it.
func TestUnknownRestoreIsLeftToTheAgency(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprint("applied=", applied), func(t *testing.T) {
			restorable(t, func(w *world, id string) {
				gone := &goneAgency{fakeAgency: w.agency, applies: applied}
				s := w.service(coordinatorA, func(d *Options) { d.Agency = gone }, withSteps(func(_ context.Context, e event.Event) {
					if e.Step == event.PlanSwitching {
						gone.gone.Store(true)
					}
				}))
				_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
				require.ErrorIs(t, err, operation.ErrOutcomeUnknown)
				require.Equal(t, apierror.OutcomeUnknown, apierror.From(err).Extra[apierror.Outcome], "the client is not told")
				require.Zero(t, w.faults.count("unstage PRMR-1"))
				time.Sleep(time.Second)
				if applied {
					require.Equal(t, []int{1, 2, 3}, w.values())
				} else {
					require.Equal(t, []int{10, 20, 30}, w.values())
				}
			})
		})
	}
}

// The answer comes when the other coordinators know; one that does not answer is
// not waited for.
func TestRestoreWaitsForTheOtherCoordinators(t *testing.T) {
	for name, c := range map[string]struct {
		peer peerFunc
		want time.Duration
	}{
		"slow": {func(begun time.Time) (uint64, error) {
			if time.Since(begun) < 5*time.Second {
				return 0, nil
			}
			return 1, nil
		}, 5 * time.Second},
		"stuck":  {func(time.Time) (uint64, error) { return 0, nil }, 10 * time.Second},
		"silent": {func(time.Time) (uint64, error) { return 0, errors.New("no answer") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			restorable(t, func(w *world, id string) {
				var converged time.Time
				p := &peers{ask: c.peer}
				s := w.service(coordinatorA, func(d *Options) { d.Peers = p }, withSteps(func(_ context.Context, e event.Event) {
					if e.Step == event.Converging {
						converged = time.Now()
					}
				}))
				_, err := s.Restore(context.Background(), RestoreRequest{ID: id})
				require.NoError(t, err)
				require.InDelta(t, c.want.Seconds(), time.Since(converged).Seconds(), 0.3)
				require.Equal(t, map[string]bool{"http://" + coordinatorB + ":1": true}, p.asked)
			})
		})
	}
}

type peerFunc func(begun time.Time) (uint64, error)

type peers struct {
	ask   peerFunc
	begun time.Time
	asked map[string]bool
}

func (p *peers) Epoch(_ context.Context, url string) (uint64, error) {
	if p.begun.IsZero() {
		p.begun, p.asked = time.Now(), map[string]bool{}
	}
	p.asked[url] = true
	return p.ask(p.begun)
}
