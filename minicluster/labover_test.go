package minicluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/bubbles"
)

// heldAt are processes that each may hold an operation, and a hold in all of them.
type heldAt struct {
	*LabHold
	steps   []*control.Steps
	clients []*control.Client
}

func holdIn(t *testing.T, servers ...string) *heldAt {
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	h := &heldAt{LabHold: newLabHold(end)}
	t.Cleanup(h.End)
	for _, server := range servers {
		steps := &control.Steps{}
		c, closing, err := control.Local(t.Context(), control.NewFaults(control.Parts{Names: func() []string { return []string{server} }, Steps: steps}))
		require.NoError(t, err)
		t.Cleanup(closing)
		held, err := c.Hold(t.Context(), fault.Moment{Step: event.CutDone})
		require.NoError(t, err)
		h.placed()
		h.waiting.Go(func() { h.await(ctx, server, held) })
		h.steps, h.clients = append(h.steps, steps), append(h.clients, c)
	}
	h.madeAll()
	return h
}

// A hold says of each process that ended before the step that it holds nothing, and when the last one has ended that it never will.
func TestHoldOfProcessesThatEnd(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		h := holdIn(t, "dbserver-1", "dbserver-2")
		h.clients[0].Close()
		synctest.Wait()
		require.Contains(t, h.holdNothing()["dbserver-1"], "process has ended")
		require.Empty(t, h.Why(), "the other one may hold it")
		h.clients[1].Close()
		synctest.Wait()
		require.Contains(t, h.Why(), "no process is left")
	})
}

// A hold that no process has is over from the start, and says so: nothing comes to the step.
func TestHoldWithoutProcess(t *testing.T) {
	h := holdIn(t)
	<-h.Over()
	require.Contains(t, h.Why(), "no process is left that would hold")
	var s standingHolds
	r, err := s.enter(standingHold{LabHold: h.LabHold, moment: fault.Moment{Step: event.CutDone}})
	require.NoError(t, err)
	require.Equal(t, h.Why(), r.Over, "the list says it")
}

// A hold is not over when its first process ends before the second was asked.
func TestHoldIsNotOverBeforeAllWereAsked(t *testing.T) {
	h := newLabHold(func() {})
	h.placed()
	h.lost("dbserver-1")
	require.Empty(t, h.Why())
	h.placed()
	h.madeAll()
	require.Empty(t, h.Why())
	h.lost("dbserver-2")
	<-h.Over()
}

// A hold whose process dies at the step, or whose operation goes on by itself, is over; one that is ended is not.
func TestHoldThatIsOver(t *testing.T) {
	reach := func(t *testing.T, h *heldAt, limit time.Duration) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			h.steps[0].Sink(ctx, event.Event{Step: event.CutDone})
		}()
		<-h.Reached()
		synctest.Wait()
		require.Empty(t, h.Why())
	}
	bubbles.Test(t, func(t *testing.T) {
		h := holdIn(t, "dbserver-1", "dbserver-2")
		reach(t, h, time.Minute)
		time.Sleep(time.Hour)
		require.Contains(t, h.Why(), "deadline")
	})
	bubbles.Test(t, func(t *testing.T) {
		h := holdIn(t, "dbserver-1")
		reach(t, h, time.Hour)
		h.clients[0].Close()
		synctest.Wait()
		require.Contains(t, h.Why(), "the process of dbserver-1 has ended")
	})
	bubbles.Test(t, func(t *testing.T) {
		h := holdIn(t, "dbserver-1")
		reach(t, h, time.Hour)
		h.End()
		h.clients[0].Close()
		require.Empty(t, h.Why())
	})
}

// A second hold that waits for the same step is refused with what to do; one for the next operation is not. A second release says
// that it is the second.
func TestHoldsOfAPerson(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var s standingHolds
		h := holdIn(t, "dbserver-1")
		m := fault.Moment{Step: event.CutDone}
		_, err := s.enter(standingHold{LabHold: h.LabHold, moment: m})
		require.NoError(t, err)
		require.ErrorContains(t, s.twin(m), "stasis step release 1")
		require.NoError(t, s.twin(fault.Moment{Step: event.Linked}))
		go h.steps[0].Sink(context.Background(), event.Event{Step: event.CutDone})
		<-h.Reached()
		synctest.Wait()
		require.NoError(t, s.twin(m), "it holds one operation, and another one may hold the next")
		_, err = s.release(1)
		require.NoError(t, err)
		_, err = s.release(1)
		require.ErrorContains(t, err, "released already")
		_, err = s.release(2)
		require.ErrorContains(t, err, "there is no hold 2")
	})
}
