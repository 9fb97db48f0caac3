package backup

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/transfer"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/told"
)

// A delete that fails after its first event says so in a last one; a commit whose outcome is unknown is
// not told as failed.
func TestDeleteThatFailsIsToldToTheEnd(t *testing.T) {
	for m, want := range map[mode]event.Name{refused: event.DeleteFailed, lost: event.DeleteUnknown, vanished: event.DeleteUnknown} {
		t.Run(m.String(), func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				o := &told.Events{}
				s := w.service(coordinatorA, withSteps(func(ctx context.Context, e event.Event) {
					o.Sink(ctx, e)
					if e.Step == event.Deleting { // the next call is the commit
						w.faults.mu.Lock()
						defer w.faults.mu.Unlock()
						w.faults.failAt, w.faults.mode = len(w.faults.calls), m
					}
				}))
				id := w.create("a").ID
				_, err := s.Delete(w.t.Context(), id)
				require.ErrorIs(t, err, apierror.ServiceUnavailable)
				_, fired := w.faults.over()
				require.Equal(t, "agency write", fired)
				require.Equal(t, []event.Name{event.Deleting, want}, o.Steps(told.Of(event.Delete)), "how the delete ended is not told")
				all := o.All()
				require.NotEmpty(t, all[len(all)-1].Error)
			})
		})
	}
}

// A verify that ends without a result says so in a last event.
func TestVerifyThatFailsIsToldToTheEnd(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		o := &told.Events{}
		ctx, cancel := context.WithCancel(w.t.Context())
		s := w.service(coordinatorA, withSteps(func(at context.Context, e event.Event) {
			o.Sink(at, e)
			if e.Step == event.Verifying {
				cancel()
			}
		}))
		id := w.create("a").ID
		_, err := s.Verify(ctx, id)
		require.ErrorIs(t, err, apierror.Cancelled)
		names := o.Steps(told.Of(event.Verify))
		require.Equal(t, event.VerifyEnded, names[len(names)-1])
		all := o.All()
		require.NotEmpty(t, all[len(all)-1].Error)
		_, err = s.Verify(w.t.Context(), "none")
		require.ErrorIs(t, err, apierror.NotFound)
		ends := slices.DeleteFunc(o.Steps(told.Of(event.Verify)), func(n event.Name) bool { return n != event.VerifyEnded })
		require.Len(t, ends, 2)
	})
}

// mute is an agency that does one write without an answer until its time has passed.
type mute struct {
	transfer.Agency
	next atomic.Bool
}

func (m *mute) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	index, err := m.Agency.Write(ctx, tx)
	if err == nil && m.next.Swap(false) {
		<-ctx.Done()
		return 0, agencyclient.ErrUnknown
	}
	return index, err
}

// The same if the agency stays silent for all the time that the write has: that it is over is not the end of the question.
func TestPartThatEndsIsToldAlthoughTheTimeIsOver(t *testing.T) {
	withCarriers(t, threeServers, func(w *world, s *Service, c *carriers, stop func()) {
		o, agency := &told.Events{}, &mute{Agency: s.transfers.Agency}
		s.transfers.Steps, s.transfers.Agency = o.Sink, agency
		away := "PRMR-2"
		c.away[away] = true
		id, err := s.transfers.Start(w.t.Context(), transferOf("b"))
		require.NoError(t, err)
		w.awaitJob(s, id, map[string]string{"PRMR-1": keys.TransferCompleted, away: keys.TransferNew, "PRMR-3": keys.TransferCompleted})
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.ServerHealth(away) + "/Status": agencyclient.Set(keys.StatusFailed)}})
		agency.next.Store(true)
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.TransferJobKey(id) + "/Cancelled": agencyclient.Set(true)}})
		w.awaitJob(s, id, map[string]string{"PRMR-1": keys.TransferCompleted, away: keys.TransferCancelled, "PRMR-3": keys.TransferCompleted})
		time.Sleep(time.Minute)
		require.False(t, agency.next.Load())
		ended := slices.DeleteFunc(o.Steps(told.Of(event.Download)), func(n event.Name) bool { return n != event.PieceCancelled })
		require.Equal(t, []event.Name{event.PieceCancelled}, ended, "the end of a part is not told")
	})
}

// A coordinator that ends a part, and does not get the agency's answer, finds out that it was this
// coordinator, and tells the end once.
func TestPartThatEndsIsToldAlthoughTheAnswerIsLost(t *testing.T) {
	withCarriers(t, threeServers, func(w *world, s *Service, c *carriers, stop func()) {
		o := &told.Events{}
		s.transfers.Steps = o.Sink
		away := "PRMR-2"
		c.away[away] = true
		id, err := s.transfers.Start(w.t.Context(), transferOf("b"))
		require.NoError(t, err)
		w.awaitJob(s, id, map[string]string{"PRMR-1": keys.TransferCompleted, away: keys.TransferNew, "PRMR-3": keys.TransferCompleted})
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.ServerHealth(away) + "/Status": agencyclient.Set(keys.StatusFailed)}})
		w.faults.mu.Lock()
		w.faults.next, w.faults.mode = "agency write", lost
		w.faults.mu.Unlock()
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.TransferJobKey(id) + "/Cancelled": agencyclient.Set(true)}})
		w.awaitJob(s, id, map[string]string{"PRMR-1": keys.TransferCompleted, away: keys.TransferCancelled, "PRMR-3": keys.TransferCompleted})
		time.Sleep(time.Minute)
		_, fired := w.faults.over()
		require.Equal(t, "agency write", fired)
		ended := slices.DeleteFunc(o.Steps(told.Of(event.Download)), func(n event.Name) bool { return n != event.PieceCancelled })
		require.Equal(t, []event.Name{event.PieceCancelled}, ended, "the end of a part is not told")
	})
}
