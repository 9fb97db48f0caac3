package control_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/bubbles"
)

// An operation that reaches a limit of its own goes on: the hold is told as one that ended by itself, to who holds and in the list,
// and a release after it is none of an operation that was held.
func TestHoldThatEndsByItself(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		p := newProcess()
		c := local(t, p)
		held, err := c.Hold(t.Context(), fault.Moment{Step: event.CutDone})
		require.NoError(t, err)
		limit := errors.New("the lock is over")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, limit)
		defer cancel()
		event.Sink(p.steps.Sink).Emit(ctx, event.Event{Step: event.CutDone, ID: "a"})
		<-held.Reached()
		<-held.Over()
		require.Contains(t, held.Why(), limit.Error())
		list := order(t, c, control.Order{Do: control.RuleList}).Rules
		require.Len(t, list, 1)
		require.Contains(t, list[0].Over, limit.Error())
		require.Equal(t, "a", list[0].Event.ID)
		a := order(t, c, control.Order{Do: control.Release, Rule: list[0].ID})
		require.Contains(t, a.Rule.Over, limit.Error())
	})
}

// A hold that is released is not one that ended by itself, also if the operation ends a moment later.
func TestReleasedHoldDidNotEndByItself(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		p := newProcess()
		c := local(t, p)
		held, err := c.Hold(t.Context(), fault.Moment{Step: event.CutDone})
		require.NoError(t, err)
		went := emit(t, p, event.Event{Step: event.CutDone})
		<-held.Reached()
		require.NoError(t, held.End(t.Context()))
		require.NoError(t, held.End(t.Context()), "again is harmless")
		<-went
		synctest.Wait()
		require.Empty(t, held.Why())
		select {
		case <-held.Over():
			require.Fail(t, "it was released")
		default:
		}
	})
}

// What is wrong with a release is said: a hold that was released, one that never was, and a rule that is no hold, which stays.
func TestReleaseThatCannotBe(t *testing.T) {
	c := local(t, newProcess())
	hold := order(t, c, control.Order{Do: control.Hold, Moment: &fault.Moment{Step: event.CutDone}}).Rule
	order(t, c, control.Order{Do: control.Release, Rule: hold.ID})
	require.Contains(t, refused(t, c, control.NoSuchRule, control.Order{Do: control.Release, Rule: hold.ID}), "released already")
	require.Contains(t, refused(t, c, control.NoSuchRule, control.Order{Do: control.Release, Rule: 99}), "there is no hold 99")
	cut := order(t, c, control.Order{Do: control.NetCut, From: "a", To: "b"}).Rule
	require.Contains(t, refused(t, c, control.BadOrder, control.Order{Do: control.Release, Rule: cut.ID}), "no hold")
	require.Len(t, order(t, c, control.Order{Do: control.RuleList}).Rules, 1, "the cut is in force")
}
