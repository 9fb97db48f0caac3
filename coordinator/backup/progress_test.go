package backup

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	"stasis/event"
	"stasis/internal/apierror"
)

func (w *world) stall(server, request string, yes bool) {
	w.servers[server].quirk(func(q *quirks) { q.stalls = map[string]bool{request: yes} })
}

// A server that answers and gets nothing done, since its disk hangs, fails the phase
// within seconds, and the error says who it is and what it was doing. Its drop is not
// waited for, and Plan thaws.
func TestServerThatGetsNothingDoneFailsThePhase(t *testing.T) {
	for _, request := range []string{"prepare", "link"} {
		t.Run(request, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				w.stall("PRMR-2", request, true)
				w.faults.breakCalls(func(call string) bool { return call == "drop PRMR-2" })
				begun := time.Now()
				_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
				for _, part := range []string{"PRMR-2", "makes no progress", "does what " + request + " asks for", "10s"} {
					require.ErrorContains(t, err, part)
				}
				if request == "prepare" {
					require.ErrorIs(t, err, apierror.ServiceUnavailable)
				}
				require.InDelta(t, 11, time.Since(begun).Seconds(), 4)
				require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
				require.Empty(t, w.servers["PRMR-1"].pieceIDs())
				w.requireOpen(request)
			})
		})
	}
}

// The same while a restore stages: nothing has changed, nothing is left on the others.
func TestServerThatGetsNothingDoneFailsTheRestore(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.stall("PRMR-2", "stage", true)
		begun := time.Now()
		_, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
		require.ErrorContains(t, err, "PRMR-2")
		require.ErrorContains(t, err, "makes no progress")
		require.InDelta(t, 11, time.Since(begun).Seconds(), 4)
		require.Zero(t, topology.Number(w.agency.root().At(keys.RestoreEpoch)))
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
		require.Empty(t, w.servers["PRMR-1"].stagedEpochs())
	})
}

// A server that is slow may take as long as it takes, as long as something gets done;
// meanwhile Plan is not frozen.
func TestSlowServersAreWaitedFor(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-2"].quirk(func(q *quirks) {
			q.labor = map[string]time.Duration{"prepare": time.Minute, "link": time.Hour, "stage": time.Hour}
		})
		var frozen time.Duration
		begun := time.Now()
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.Linking {
				frozen = time.Since(begun)
				w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.PlanVersion: agencyclient.Increment(1)}})
			}
		}))
		r, err := s.Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Greater(t, time.Since(begun), time.Hour)
		require.Less(t, frozen, 62*time.Second)
		w.requireBackup("slow", r.ID)
		_, err = s.Restore(context.Background(), RestoreRequest{ID: r.ID})
		require.NoError(t, err)
	})
}

// Prepare counts for the timeout: Plan is frozen while it lasts.
func TestTimeoutBoundsPrepare(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.labor = map[string]time.Duration{"prepare": time.Hour} })
		begun := time.Now()
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 30 * time.Second})
		require.ErrorIs(t, err, apierror.ClusterTimeout)
		require.ErrorContains(t, err, "PRMR-2: the timeout of 30s was over before all DB servers were prepared; it does what prepare asks for")
		require.InDelta(t, 30, time.Since(begun).Seconds(), 0.1)
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.labor = nil })
		w.requireClean("timeout")
	})
}

// So does it when a missed cut makes another flush necessary: Plan is frozen meanwhile.
func TestTimeoutBoundsPrepareAfterAMissedCut(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-1"].quirk(func(q *quirks) { q.cutTime = []time.Duration{time.Minute} })
		missed := 0
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.LockFailed {
				missed++
				w.servers["PRMR-2"].quirk(func(q *quirks) { q.labor = map[string]time.Duration{"prepare": time.Hour} })
			}
		}))
		begun := time.Now()
		_, err := s.Create(context.Background(), CreateRequest{Timeout: 30 * time.Second})
		require.Equal(t, 1, missed)
		require.ErrorIs(t, err, apierror.ClusterTimeout)
		require.ErrorContains(t, err, "PRMR-2: the timeout of 30s was over before all DB servers were prepared; it does what prepare asks for")
		require.InDelta(t, 30, time.Since(begun).Seconds(), 0.1)
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.labor = nil })
		w.requireClean("timeout")
	})
}

// Where the last cut is missed at the end of the timeout there is nothing to prepare for,
// unless the backup goes on: with force, or without the global lock.
func TestCutMissedAtTheEndOfTheTimeout(t *testing.T) {
	for name, r := range map[string]CreateRequest{
		"neither": {}, "force": {Force: true}, "inconsistent": {AllowInconsistent: true}, "both": {Force: true, AllowInconsistent: true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				w.servers["PRMR-1"].quirk(func(q *quirks) {
					for range 100 {
						q.cutTime = append(q.cutTime, time.Minute)
					}
				})
				s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
					if e.Step == event.Unprotected {
						w.servers["PRMR-1"].quirk(func(q *quirks) { q.cutTime = nil })
					}
				}))
				r.Timeout = operation.MinimalTimeout
				made, err := s.Create(context.Background(), r)
				if r.AllowInconsistent {
					require.NoError(t, err)
					require.True(t, made.PotentiallyInconsistent)
					w.requireBackup(name, made.ID)
					return
				}
				require.ErrorContains(t, err, "no global lock within")
				w.requireClean(name)
			})
		})
	}
}

// The deadline bounds the whole up to the commit, and the error says how far it came.
// After the commit it means nothing.
func TestDeadline(t *testing.T) {
	for _, request := range []string{"prepare", "link"} {
		t.Run(request, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				w.servers["PRMR-2"].quirk(func(q *quirks) { q.labor = map[string]time.Duration{request: time.Hour} })
				begun := time.Now()
				_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Deadline: 40 * time.Second})
				require.ErrorIs(t, err, apierror.ClusterTimeout)
				require.ErrorContains(t, err, "PRMR-2: the deadline is over; it does what "+request+" asks for")
				require.ErrorContains(t, err, "after 40s, while create of backup 2000-")
				require.ErrorContains(t, err, map[string]string{"prepare": "preparing", "link": "linking"}[request])
				require.InDelta(t, 40, time.Since(begun).Seconds(), 0.1)
				w.requireClean(request)
			})
		})
	}
	inWorld(t, threeServers, func(w *world) {
		s := w.service(coordinatorA, withSteps(func(ctx context.Context, e event.Event) {
			if e.Step == event.Committed || e.Step == event.PlanSwitched {
				time.Sleep(time.Minute)
			}
		}))
		r, err := s.Create(context.Background(), CreateRequest{Deadline: 10 * time.Second})
		require.NoError(t, err)
		w.requireBackup("committed in time", r.ID)
		_, err = s.Restore(context.Background(), RestoreRequest{ID: r.ID, Deadline: 10 * time.Second})
		require.NoError(t, err)

		w.servers["PRMR-2"].quirk(func(q *quirks) { q.labor = map[string]time.Duration{"stage": time.Hour} })
		begun := time.Now()
		_, err = s.Restore(context.Background(), RestoreRequest{ID: r.ID, Deadline: 10 * time.Second})
		require.ErrorIs(t, err, apierror.ClusterTimeout)
		require.InDelta(t, 10, time.Since(begun).Seconds(), 0.1)
		require.EqualValues(t, 1, topology.Number(w.agency.root().At(keys.RestoreEpoch)))
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
	})
}

func TestBadDeadlinesAreRefused(t *testing.T) {
	for _, bad := range []string{"0", "-1", "-0.5"} {
		_, err := parseCreate([]byte(`{"deadline":` + bad + `}`))
		require.ErrorIs(t, err, apierror.BadParameter, bad)
		_, err = parseRestore([]byte(`{"id":"x","deadline":` + bad + `}`))
		require.ErrorIs(t, err, apierror.BadParameter, bad)
	}
	_, err := parseCreate([]byte(`{"deadline":"soon"}`))
	require.ErrorIs(t, err, apierror.BadParameter)
	for body, want := range map[string]time.Duration{`{}`: 0, `{"deadline":null}`: 0, `{"deadline":1.5}`: 1500 * time.Millisecond, `{"deadline":1e300}`: operation.MaximalTimeout} {
		r, err := parseCreate([]byte(body))
		require.NoError(t, err, body)
		require.Equal(t, want, r.Deadline, body)
		restore, err := parseRestore([]byte(strings.Replace(body, "{", `{"id":"x",`, 1)))
		if body != "{}" {
			require.NoError(t, err, body)
			require.Equal(t, want, restore.Deadline, body)
		}
	}
	s := New(Options{})
	_, err = s.Create(context.Background(), CreateRequest{Deadline: -1})
	require.ErrorIs(t, err, apierror.BadParameter)
	_, err = s.Restore(context.Background(), RestoreRequest{ID: "x", Deadline: -1})
	require.ErrorIs(t, err, apierror.BadParameter)
}
