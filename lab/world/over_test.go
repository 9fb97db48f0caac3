package world

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/bubbles"
)

// isOver says whether a hold has ended by itself.
func isOver(h Held) bool {
	select {
	case <-h.Over():
		return true
	default:
		return false
	}
}

// A backup that is held goes on when its own time is over, and the hold says so. One that is let go does not.
func TestHoldIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T, w World) {
		ctx := t.Context()
		require.NoError(t, w.Clients()[0].Database("").EnsureCollection(ctx, "c", layout))
		create := func(timeout time.Duration) (Held, chan error) {
			held, err := w.Hold(fault.Moment{Step: event.CutFixed})
			require.NoError(t, err)
			answer := make(chan error, 1)
			go func() {
				_, err := w.Clients()[0].Backups().Create(ctx, client.CreateRequest{Timeout: timeout})
				answer <- err
			}()
			<-held.Reached()
			synctest.Wait()
			require.False(t, isOver(held), "it is held")
			return held, answer
		}
		held, answer := create(time.Minute)
		held.End()
		<-answer
		require.False(t, isOver(held), "it was let go")
		held, answer = create(10 * time.Second)
		defer held.End()
		select {
		case <-held.Over():
		case <-time.After(5 * time.Minute):
			require.Fail(t, "the operation is over, and it is not said that it is not held any more")
		}
		<-answer
	})
}

// The same of processes: that the operation goes on by itself, and that its process ends.
func TestHoldInAProcessIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		limit time.Duration
		ends  func(*processHold, *control.Client)
		over  bool
	}{
		"the limit of the operation": {limit: time.Second, ends: func(*processHold, *control.Client) { time.Sleep(time.Minute) }, over: true},
		"its process has ended":      {limit: time.Hour, ends: func(_ *processHold, c *control.Client) { c.Close() }, over: true},
		"it is let go":               {limit: time.Hour, ends: func(h *processHold, _ *control.Client) { h.End() }},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				var s stream
				h := newProcessHold(fault.Moment{Step: event.CutDone}, &s)
				defer h.End()
				steps := &control.Steps{}
				p, closing, err := control.Local(t.Context(), control.NewFaults(control.Parts{Names: func() []string { return []string{"dbserver-1"} }, Steps: steps}))
				require.NoError(t, err)
				defer closing()
				require.NoError(t, h.heldThere(t.Context(), p))
				e := event.Event{Step: event.CutDone, ID: "a"}
				s.tell(e)
				went := make(chan struct{})
				ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(t.Context()), c.limit, errors.New("the lock is over"))
				defer cancel()
				go func() {
					defer close(went)
					steps.Sink(ctx, e)
				}()
				<-h.Reached()
				require.False(t, isOver(h))
				c.ends(h, p)
				synctest.Wait()
				require.Equal(t, c.over, isOver(h))
				<-went
			})
		})
	}
}
