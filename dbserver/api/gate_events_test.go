package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/gate"
	"stasis/event"
	"stasis/internal/bubbles"
)

// Whatever becomes of a lock of the gate, its events say it in their order, and a release is
// answered after the last one. The gate itself waits for no sink.
func TestGateTellsWhatBecomesOfALock(t *testing.T) {
	type end struct {
		steps  []event.Name
		detail string
	}
	for name, test := range map[string]struct {
		do   func(t *testing.T, g *gate.Gate, events *gateEvents)
		want end
	}{
		"released": {func(t *testing.T, g *gate.Gate, events *gateEvents) {
			time.Sleep(3 * time.Second)
			g.Release("n", 1)
			begun := time.Now()
			leave, err := g.Enter(t.Context())
			require.NoError(t, err)
			require.Zero(t, time.Since(begun), "writers do not wait for the sink")
			leave()
			events.settle(t.Context(), "n")
			require.Equal(t, time.Second, time.Since(begun), "the answer does")
		}, end{[]event.Name{event.GateAsked, event.GateGranted, event.GateReleased}, ""}},
		"released by another attempt": {func(t *testing.T, g *gate.Gate, events *gateEvents) {
			time.Sleep(3 * time.Second)
			g.Release("n", 0)
			begun := time.Now()
			events.settle(t.Context(), "n")
			require.Zero(t, time.Since(begun), "the lock goes on")
			g.Release("n", 1)
		}, end{[]event.Name{event.GateAsked, event.GateGranted, event.GateReleased}, ""}},
		"lease": {func(*testing.T, *gate.Gate, *gateEvents) { time.Sleep(time.Minute) },
			end{[]event.Name{event.GateAsked, event.GateGranted, event.GateExpired}, "the lease of 20s ran out"}},
		"window": {func(*testing.T, *gate.Gate, *gateEvents) { time.Sleep(time.Minute) },
			end{[]event.Name{event.GateAsked, event.GateRefused}, "gate not granted within 5s: 1 writers still inside"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				var all []event.Event
				events := &gateEvents{server: "PRMR-1", open: map[*gateLock]bool{}, sink: func(_ context.Context, e event.Event) {
					all = append(all, e)
					time.Sleep(time.Second)
				}}
				g := gate.New(nil)
				if name == "window" {
					leave, err := g.Enter(t.Context())
					require.NoError(t, err)
					defer leave()
				}
				c := gate.Claim{ID: "b", Nonce: "n", Attempt: 1, Window: 5 * time.Second, Lease: 20 * time.Second}
				l := events.asked(t.Context(), c)
				lock, err := g.Lock(c)
				require.NoError(t, err)
				l.claimed(lock)
				go l.follow(t.Context())
				synctest.Wait()
				test.do(t, g, events)
				<-l.told
				var got end
				for _, e := range all {
					got.steps, got.detail = append(got.steps, e.Step), e.Detail
					require.Equal(t, []any{"b", "PRMR-1", 1, event.Create}, []any{e.ID, e.Server, e.Attempt, e.Operation})
				}
				require.Equal(t, test.want, got)
				require.Empty(t, events.open)
			})
		})
	}
}
