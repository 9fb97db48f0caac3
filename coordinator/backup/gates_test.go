package backup

import (
	"context"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/client/certificate"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
)

// A window is exactly a tenth longer than the one before, and the last one is cut
// off at the timeout.
func TestWindowsGrowByATenth(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-2"].gate.Enter(context.Background()) // a write that does not end
		require.NoError(t, err)
		var starts []time.Time
		var windows []time.Duration
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.LockAttempt {
				starts, windows = append(starts, e.At), append(windows, e.Window)
			}
		}))
		begun := time.Now()
		_, err = s.Create(context.Background(), CreateRequest{Timeout: 10 * time.Second})
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.ErrorContains(t, err, "PRMR-2: gate not granted")
		require.InDelta(t, 10, time.Since(begun).Seconds(), 0.2)
		require.Greater(t, len(windows), 8)
		for i, got := range windows[:len(windows)-1] {
			want := time.Duration(math.Round(float64(500*time.Millisecond) * math.Pow(1.1, float64(i))))
			require.Equal(t, want, got, "window %d", i+1)
			// one way over the wire to lock, the window, two ways to release, and the pause
			require.Equal(t, want+time.Millisecond+2*time.Millisecond+50*time.Millisecond, starts[i+1].Sub(starts[i]), "distance %d", i+1)
		}
		last := windows[len(windows)-1]
		require.Less(t, last, time.Duration(float64(windows[len(windows)-2])*1.1))
		leave()
		w.requireClean("timeout")
	})
}

func TestTimeoutHasAFloor(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-1"].gate.Enter(context.Background())
		require.NoError(t, err)
		defer leave()
		begun := time.Now()
		_, err = w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: time.Millisecond})
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.InDelta(t, 2.5, time.Since(begun).Seconds(), 0.1)
	})
}

func TestForceTriesForAnotherTimeout(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-1"].gate.Enter(context.Background())
		require.NoError(t, err)
		time.AfterFunc(7*time.Second, leave)
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 5 * time.Second, Force: true})
		require.NoError(t, err)
		require.Greater(t, r.LockReport.LockSeconds, 5.0)
		require.False(t, r.PotentiallyInconsistent)
		w.requireBackup("force", r.ID)
	})
}

// Without the global lock the backup is marked in the agency, in every piece and
// in its certificate.
func TestAllowInconsistentMarksForEver(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-3"].gate.Enter(context.Background())
		require.NoError(t, err)
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 3 * time.Second, AllowInconsistent: true})
		leave()
		require.NoError(t, err)
		w.requireMarked(r)
		cert, err := certificate.Parse(listOn(t, w.servers["PRMR-1"], r.ID).Certificate)
		require.NoError(t, err)
		require.Equal(t, certificate.LockModeNone, cert.Instant.LockMode)
		require.NotEmpty(t, cert.Problems())
		require.NotEmpty(t, cert.History.Lock.Attempts)
		w.requireBackup("inconsistent", r.ID)
	})
}

func (w *world) requireMarked(r CreateResult) {
	w.t.Helper()
	require.True(w.t, r.PotentiallyInconsistent)
	var commit keys.Commit
	require.NoError(w.t, w.agency.root().At(keys.HotBackupCommit(r.ID)).Decode(&commit))
	require.True(w.t, commit.PotentiallyInconsistent)
	for _, s := range w.servers {
		require.True(w.t, s.pieces[r.ID].meta.PotentiallyInconsistent)
	}
	listed, err := w.service(coordinatorA).List(context.Background(), ListRequest{})
	require.NoError(w.t, err)
	require.True(w.t, listed.List[r.ID].PotentiallyInconsistent)
}

// A server says that its gate was not held all the time: there was no instant, and the
// attempt has failed. The next one makes the backup.
func TestBrokenGateIsTriedAgain(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		broken := 0
		w.servers["PRMR-2"].quirk(func(q *quirks) {
			q.gate = func(r *dbclient.GateReleaseResponse) {
				if broken++; broken <= 2 {
					r.Unbroken, r.Reason = false, "the lease ran out"
				}
			}
		})
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Len(t, r.LockReport.Attempts, 3)
		require.Contains(t, r.LockReport.Attempts[1].Failed["PRMR-2"], "the gate was not held without a break: the lease ran out")
		require.False(t, r.PotentiallyInconsistent)
		w.requireBackup("third attempt", r.ID)
	})
}

// A gate that is never held all the time keeps the backup from being made within its
// timeout. With allowInconsistent it goes on without the lock, as the last resort.
func TestGateThatAlwaysBreaksFailsTheBackup(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-2"].quirk(func(q *quirks) {
			q.gate = func(r *dbclient.GateReleaseResponse) { r.Unbroken, r.Reason = false, "the lease ran out" }
		})
		begun := time.Now()
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 10 * time.Second})
		require.ErrorIs(t, err, apierror.BackupCreate, "a broken hold is committed")
		require.ErrorContains(t, err, "PRMR-2: the gate was not held without a break: the lease ran out")
		require.InDelta(t, 10, time.Since(begun).Seconds(), 0.2)
		w.requireClean("broken")

		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{AllowInconsistent: true, Timeout: 10 * time.Second})
		require.NoError(t, err)
		w.requireMarked(r)
	})
}

// A server whose clock says that it held the gate for less than the coordinator
// saw cannot be believed.
func TestContradictoryEvidenceFailsTheAttempt(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-2"].quirk(func(q *quirks) {
			q.cutTime = []time.Duration{100 * time.Millisecond}
			q.gate = func(r *dbclient.GateReleaseResponse) { r.HeldSeconds = 0.05 }
		})
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Len(t, r.LockReport.Attempts, 2, "contradictory evidence is committed")
		require.Contains(t, r.LockReport.Attempts[0].Failed["PRMR-2"], "the gate was held for")
	})
}

// A cut that misses its deadline gives the gates back and counts as a failed
// attempt; the next one makes the backup.
func TestMissedCutIsTriedAgain(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-1"].quirk(func(q *quirks) { q.cutTime = []time.Duration{8 * time.Second} })
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Len(t, r.LockReport.Attempts, 2)
		require.Contains(t, r.LockReport.Attempts[0].Failed["PRMR-1"], "the cut took longer")
		require.Less(t, r.LockReport.LockHoldSeconds, 0.1)
		w.requireBackup("second attempt", r.ID)
	})
}

// Writers that queue behind the gate are counted, and go on.
func TestDeadTimesAreReported(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		s := w.servers["PRMR-1"]
		leave, err := s.gate.Enter(context.Background())
		require.NoError(t, err)
		time.AfterFunc(700*time.Millisecond, leave)
		var writer sync.WaitGroup
		service := w.service(coordinatorA, withSteps(func(ctx context.Context, e event.Event) {
			if e.Step == event.LockAttempt {
				writer.Go(func() {
					time.Sleep(10 * time.Millisecond) // the lock waits by now
					_ = s.write(context.Background(), 1)
				})
			}
		}))
		r, err := service.Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		writer.Wait()
		require.Len(t, r.LockReport.Attempts, 2)
		require.Equal(t, 2, r.LockReport.WritersWaited)
		require.InDelta(t, 0.49, r.LockReport.DeadLongestSeconds, 0.02)
		require.Greater(t, r.LockReport.DeadSumSeconds, r.LockReport.DeadLongestSeconds)
	})
}
