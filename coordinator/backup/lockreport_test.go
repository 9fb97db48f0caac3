package backup

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client/certificate"
	"stasis/event"
	"stasis/internal/apierror"
)

// The lock report has every server's part in every attempt, on the coordinator's clock, and the
// certificate has the same report.
func TestLockReportHasEveryAttempt(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-2"].gate.Enter(context.Background()) // for the first window
		require.NoError(t, err)
		time.AfterFunc(600*time.Millisecond, leave)
		w.servers["PRMR-3"].quirk(func(q *quirks) { q.cutTime = []time.Duration{20 * time.Millisecond} })
		writers := w.writers()
		defer writers.stop()
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Step == event.Cut {
				time.Sleep(5 * time.Millisecond)
			}
		}))
		r, err := s.Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		writers.stop()
		report := r.LockReport
		require.Len(t, report.Attempts, 2)
		first, second := report.Attempts[0], report.Attempts[1]
		for id, s := range first.Servers {
			require.NotNil(t, s.Dead, id)
			require.Equal(t, id != "PRMR-2", s.Granted, id)
			require.Zero(t, s.CutAsked, id)
			require.InDelta(t, 0.5, s.Dead.LongestSeconds, 0.01, "%s: its writer queued for the window", id)
		}
		require.InDelta(t, 0.002, first.Servers["PRMR-1"].Answered-first.Servers["PRMR-1"].Asked, 0.001)
		require.InDelta(t, 0.501, first.Servers["PRMR-2"].Answered-first.Servers["PRMR-2"].Asked, 0.001)
		require.Contains(t, first.Servers["PRMR-2"].Why, "gate not granted within 500ms")
		require.Greater(t, second.AskedSeconds, first.AskedSeconds+0.5)
		sum, waited := 0.0, 0
		for _, a := range report.Attempts {
			for _, s := range a.Servers {
				sum, waited = sum+s.Dead.SumSeconds, waited+s.Dead.Writers
				require.LessOrEqual(t, s.Dead.P99Seconds, s.Dead.LongestSeconds)
			}
		}
		require.Equal(t, waited, report.WritersWaited)
		require.InDelta(t, sum, report.DeadSumSeconds, 1e-9)
		require.InDelta(t, 0.5, report.DeadLongestSeconds, 0.01)
		for id, s := range second.Servers {
			require.True(t, s.Granted, id)
			require.Less(t, s.Answered, s.CutAsked, id)
			require.Less(t, s.CutAsked, s.CutDone, id)
			require.LessOrEqual(t, s.CutDone, s.Released, id)
			require.Less(t, s.Released, s.Opened, id)
			require.Positive(t, s.HeldSeconds, id)
		}
		require.InDelta(t, 0.020, report.SkewSeconds, 1e-9, "one cut took 20 ms longer")
		require.InDelta(t, 0.005, report.SlackSeconds, 1e-9, "the gates were held for 5 ms before the cut was asked for")
		require.Empty(t, report.DeadUnknown)
		cert, err := certificate.Parse(listOn(t, w.servers["PRMR-1"], r.ID).Certificate)
		require.NoError(t, err)
		require.Equal(t, report, cert.History.Lock)
	})
}

// reportIn is the lock report of an error, as it arrives over the wire.
func reportIn(t *testing.T, err error) certificate.LockReport {
	t.Helper()
	var e *apierror.Error
	require.True(t, errors.As(err, &e), err)
	raw, merr := json.Marshal(e)
	require.NoError(t, merr)
	var envelope struct {
		Num    int                     `json:"errorNum"`
		Report *certificate.LockReport `json:"report"`
	}
	require.NoError(t, json.Unmarshal(raw, &envelope))
	require.NotZero(t, envelope.Num)
	require.NotNil(t, envelope.Report, "writers waited, and the error does not say it")
	return *envelope.Report
}

// A coordinator that is cut off from a server at the cut fails. Writers have waited all the same:
// the error, an event and the metrics say for how long. What the silent server does not tell is
// unknown, unless it tells before everything is undone.
func TestFailedCreateReportsItsDeadTime(t *testing.T) {
	for name, back := range map[string]time.Duration{"stays away": 0, "comes back while the rest is undone": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				writers := w.writers()
				defer writers.stop()
				var told []event.Event
				s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
					switch e.Step {
					case event.Cut:
						w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = true })
					case event.Undoing:
						if back > 0 {
							time.AfterFunc(back, func() { w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = false }) })
						}
					case event.DeadTime, event.Undone:
						told = append(told, e)
					}
				}))
				begun := time.Now()
				_, err := s.Create(context.Background(), CreateRequest{})
				require.ErrorContains(t, err, "PRMR-2")
				require.Less(t, time.Since(begun), 10*time.Second)
				longest := writers.stop()
				report := reportIn(t, err)
				last := report.Attempts[len(report.Attempts)-1]
				require.GreaterOrEqual(t, report.WritersWaited, 2)
				require.InDelta(t, longest.Seconds(), report.DeadLongestSeconds, 0.01)
				require.Equal(t, []event.Name{event.DeadTime, event.Undone}, []event.Name{told[0].Step, told[1].Step})
				require.Contains(t, told[0].Detail, "writers waited")
				if back == 0 {
					require.Equal(t, []string{"PRMR-2"}, report.DeadUnknown, "unknown is not zero")
					require.Nil(t, last.Servers["PRMR-2"].Dead)
					require.Contains(t, told[0].Detail, "unknown of PRMR-2")
				} else {
					require.Empty(t, report.DeadUnknown, "the server could have told, and was not asked")
					require.NotNil(t, last.Servers["PRMR-2"].Dead)
				}
				metrics := map[string]any{}
				for _, m := range s.Metrics() {
					metrics[m.Name] = m.Value
				}
				require.Equal(t, 1, metrics["stasis_backups_failed_total"])
				require.Equal(t, report.WritersWaited, metrics["stasis_backup_writers_waited_total"])
				require.Equal(t, report.DeadLongestSeconds, metrics["stasis_backup_dead_longest_seconds"])
				require.Equal(t, len(report.DeadUnknown), metrics["stasis_backup_dead_unknown_total"])
			})
		})
	}
}

// The timeout ends before all gates are held, and a server whose gate was held has not heard the release. It is asked again
// while the rest is undone, and tells of the one attempt that it has heard of. The others held up no writer there.
func TestCreateWithoutALockReportsItsDeadTime(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-1"].gate.Enter(context.Background()) // a write that does not end
		require.NoError(t, err)
		writers := w.writers()
		defer writers.stop()
		defer leave()
		deaf := func(is bool) func() {
			return func() { w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = is }) }
		}
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			switch e.Step {
			case event.LockAttempt:
				time.AfterFunc(100*time.Millisecond, deaf(true))
			case event.Undoing:
				time.AfterFunc(2*time.Second, deaf(false))
			}
		}))
		_, err = s.Create(context.Background(), CreateRequest{Timeout: 300 * time.Millisecond})
		require.ErrorContains(t, err, "no global lock within")
		report := reportIn(t, err)
		require.True(t, report.Attempts[0].Servers["PRMR-2"].Granted)
		require.Empty(t, report.DeadUnknown, "the server could have told, and was not asked")
		require.Positive(t, report.Attempts[0].Servers["PRMR-2"].Dead.Writers)
		for _, a := range report.Attempts[1:] {
			require.Zero(t, *a.Servers["PRMR-2"].Dead)
		}
	})
}

// A create that fails before it asks for a gate has no report.
func TestErrorWithoutGatesHasNoReport(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-1"].quirk(func(q *quirks) { q.stalls = map[string]bool{"prepare": true} })
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{})
		var e *apierror.Error
		require.True(t, errors.As(err, &e))
		require.NotContains(t, e.Extra, apierror.Report)
	})
}
