package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/event"
	"stasis/internal/apierror"
)

// Every call of a backup fails once, in every way in which it can: the backup is
// complete, or nothing of it is left. Background calls count too.
func TestCreateFailsCleanlyAtEveryCall(t *testing.T) {
	for _, how := range []mode{refused, lost, vanished} {
		t.Run(how.String(), func(t *testing.T) {
			failed, succeeded := 0, 0
			for n := 0; ; n++ {
				fired := ""
				inWorld(t, threeServers, func(w *world) {
					w.faults.failAt, w.faults.mode = n, how
					r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Label: "x"})
					fired = w.faults.fired
					note := fmt.Sprintf("call %d (%s) %v: %v", n, fired, how, err)
					w.faults.failAt = -1
					if err != nil {
						failed++
						require.NotErrorIs(t, err, operation.ErrOutcomeUnknown, note)
						w.requireClean(note)
						return
					}
					succeeded++
					w.requireBackup(note, r.ID)
				})
				if fired == "" {
					break
				}
			}
			t.Logf("%d calls failed the backup, %d did not", failed, succeeded)
			require.Greater(t, failed, 10)
			require.Greater(t, succeeded, 3)
		})
	}
}

// The client goes away at every step.
func TestCreateIsCancelledCleanlyAtEveryStep(t *testing.T) {
	for n, done := 0, false; !done; n++ {
		inWorld(t, threeServers, func(w *world) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			seen, at, committed := 0, event.Name(""), false
			s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
				if seen == n {
					at = e.Step
					cancel()
				}
				seen++
				committed = committed || e.Step == event.Committed
			}))
			begun := time.Now()
			r, err := s.Create(ctx, CreateRequest{})
			note := fmt.Sprintf("event %d (%s): %v", n, at, err)
			if done = at == ""; done {
				require.NoError(t, err)
				return
			}
			if committed {
				require.NoError(t, err, note)
				w.requireBackup(note, r.ID)
				return
			}
			require.ErrorIs(t, err, apierror.Cancelled, note)
			require.Less(t, time.Since(begun), linkTime+time.Second, note)
			w.requireClean(note)
		})
	}
}

// A server that cannot be reached ends the backup at once, with its name.
func TestUnreachableServerIsNamed(t *testing.T) {
	for _, call := range []string{"list", "prepare", "lock", "cut", "link", "seal"} {
		t.Run(call, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				w.faults.breakCalls(func(c string) bool { return c == call+" PRMR-2" })
				_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{AllowInconsistent: true})
				require.ErrorContains(t, err, "PRMR-2")
				want := apierror.BackupCreate
				switch call {
				case "lock":
					want = apierror.BackupLockFailed
				case "list", "prepare": // nothing has been done yet
					want = apierror.ServiceUnavailable
				}
				require.ErrorIs(t, err, want)
				w.requireClean(call)
			})
		})
	}
}

// A server that hangs does not hold up the others for long, whatever it was doing.
func TestServerThatHangsFailsTheBackupWithinSeconds(t *testing.T) {
	for _, at := range []event.Name{event.PlanDump, event.Prepare, event.LockAttempt, event.Cut, event.CutDone, event.Linking, event.Verified} {
		t.Run(string(at), func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				var since time.Time
				s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
					if e.Step == at && since.IsZero() {
						since = time.Now()
						w.servers["PRMR-3"].quirk(func(q *quirks) { q.deaf = true })
					}
				}))
				_, err := s.Create(context.Background(), CreateRequest{})
				require.ErrorContains(t, err, "PRMR-3")
				require.Less(t, time.Since(since), 27*time.Second)
				require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists(), "failover must go on")
				require.NotEqual(t, apierror.Cancelled, apierror.From(err).Num)
				time.Sleep(10 * time.Second) // the dead server's gate opens by its lease
				w.requireOpen(string(at))
			})
		})
	}
}

// Stopping the coordinator is the same, and Run waits until all is undone.
func TestStoppingTheServiceUndoesWhatRuns(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		ctx, stop := context.WithCancel(context.Background())
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.Linking {
				stop()
			}
		}))
		result := make(chan error, 1)
		go func() {
			_, err := s.Create(context.Background(), CreateRequest{})
			result <- err
		}()
		require.ErrorIs(t, s.Run(ctx), context.Canceled)
		w.requireClean("stopped")
		require.ErrorIs(t, <-result, apierror.ShuttingDown)
		_, err := s.Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, apierror.ShuttingDown)
	})
}

// The agency goes away with the commit: its outcome is unknown, and the coordinator leaves
// the pieces alone. When the agency is back, they follow what it says.
func TestUnknownCommitIsLeftToTheAgency(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprint("applied=", applied), func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				gone := &goneAgency{fakeAgency: w.agency, applies: applied}
				s := w.service(coordinatorA, func(d *Options) { d.Agency = gone }, withSteps(func(_ context.Context, e event.Event) {
					if e.Step == event.Committing {
						gone.gone.Store(true)
					}
				}))
				_, err := s.Create(context.Background(), CreateRequest{Label: "x"})
				require.ErrorIs(t, err, operation.ErrOutcomeUnknown)
				require.ErrorContains(t, err, "unknown")
				require.Equal(t, 503, statusOf(err))
				require.Equal(t, apierror.OutcomeUnknown, apierror.From(err).Extra[apierror.Outcome], "the client is not told")
				for _, m := range s.Metrics() {
					if want, counted := map[string]int{"stasis_backups_made_total": 0, "stasis_backups_failed_total": 0, "stasis_backups_unknown_total": 1}[m.Name]; counted {
						require.Equal(t, want, m.Value, m.Name)
					}
				}
				for id, s := range w.servers {
					require.Len(t, s.pieceIDs(), 1, "%s: a piece that may be committed was removed", id)
					s.quirk(func(q *quirks) { q.resolves = true })
				}
				// The supervision takes the lock away, if the commit has not.
				w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}})
				time.Sleep(time.Second)
				if applied {
					w.requireBackup("applied", "2000-01-01T00.00.00Z_x")
				} else {
					w.requireClean("not applied")
				}
			})
		})
	}
}

// goneAgency answers nothing from some moment on; the first write after it may
// have been applied.
type goneAgency struct {
	*fakeAgency
	gone          atomic.Bool
	applies, sent bool
}

func (a *goneAgency) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	if !a.gone.Load() {
		return a.fakeAgency.Write(ctx, tx)
	}
	isCommit := false
	for key := range tx.Ops {
		isCommit = isCommit || key == keys.HotBackupRestore || strings.HasPrefix(key, keys.HotBackupCommits)
	}
	if isCommit && !a.sent {
		a.sent = true
		if a.applies {
			_, _ = a.apply(tx)
		}
	}
	<-ctx.Done()
	return 0, errors.Join(agencyclient.ErrUnknown, ctx.Err())
}

func (a *goneAgency) Read(ctx context.Context, paths ...string) (*agencyclient.Node, error) {
	if !a.gone.Load() {
		return a.fakeAgency.Read(ctx, paths...)
	}
	<-ctx.Done()
	return nil, errors.Join(agencyclient.ErrUnavailable, ctx.Err())
}

// An agency without a majority is 503, not a failed backup.
func TestAgencyWithoutMajorityIs503(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		gone := &goneAgency{fakeAgency: w.agency, sent: true}
		gone.gone.Store(true)
		s := w.service(coordinatorA, func(d *Options) { d.Agency = gone })
		begun := time.Now()
		_, err := s.Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		require.Less(t, time.Since(begun), 40*time.Second)
	})
}

// What the undo cannot reach ends by itself: gates by their lease, and the undo
// is bounded.
func TestUndoIsBounded(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		var failed time.Time
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			switch e.Step {
			case event.Locked:
				w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = true })
			case event.Undoing:
				failed = time.Now()
			}
		}))
		_, err := s.Create(context.Background(), CreateRequest{})
		require.ErrorContains(t, err, "PRMR-2")
		require.Less(t, time.Since(failed), 15*time.Second)
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
		time.Sleep(10 * time.Second)
		w.requireOpen("by lease")
	})
}
