package fault_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/fault"
	"stasis/internal/bubbles"
)

// A trigger acts once, at the event that is selected, before the operation goes on.
func TestTriggerSelects(t *testing.T) {
	var at fault.Triggers
	var got []event.Event
	type key struct{}
	trigger := at.On(fault.Moment{Step: event.Linked, Operation: "create", ID: "b", Server: "PRMR-2", After: 1}, func(ctx context.Context, e event.Event) {
		require.Equal(t, "of the operation", ctx.Value(key{}))
		got = append(got, e)
	})
	want := event.Event{Operation: "create", ID: "b", Step: event.Linked, Server: "PRMR-2", Detail: "second"}
	ctx := context.WithValue(t.Context(), key{}, "of the operation")
	for _, e := range []event.Event{
		{Operation: "create", ID: "b", Step: event.Linking, Server: "PRMR-2"},
		{Operation: "restore", ID: "b", Step: event.Linked, Server: "PRMR-2"},
		{Operation: "create", ID: "a", Step: event.Linked, Server: "PRMR-2"},
		{Operation: "create", ID: "b", Step: event.Linked, Server: "PRMR-1"},
		{Operation: "create", ID: "b", Step: event.Linked, Server: "PRMR-2", Detail: "first"},
	} {
		at.Sink(ctx, e)
		_, met := trigger.Met()
		require.False(t, met, "%+v", e)
	}
	at.Sink(ctx, want)
	require.Equal(t, []event.Event{want}, got)
	<-trigger.Reached()
	e, met := trigger.Met()
	require.True(t, met)
	require.Equal(t, want, e)
	at.Sink(ctx, want)
	require.Len(t, got, 1, "once")
}

// A trigger may set another one, for the same step, and others act beside it.
func TestTriggersInTriggers(t *testing.T) {
	var at fault.Triggers
	var got []string
	at.On(fault.Moment{Step: event.Cut}, func(context.Context, event.Event) {
		got = append(got, "first")
		at.On(fault.Moment{Step: event.Cut}, func(context.Context, event.Event) { got = append(got, "next") })
	})
	at.On(fault.Moment{Step: event.Cut}, func(context.Context, event.Event) { got = append(got, "beside") })
	at.On(fault.Moment{Step: event.Cut}, func(context.Context, event.Event) { got = append(got, "ended") }).End()
	for range 3 {
		at.Sink(t.Context(), event.Event{Step: event.Cut})
	}
	require.Equal(t, []string{"first", "beside", "next"}, got)
}

// An operation that is held goes on when the trigger ends, or when its own context does.
func TestHold(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var at fault.Triggers
		for name, end := range map[string]func(*fault.Trigger, context.CancelFunc){
			"end":     func(held *fault.Trigger, _ context.CancelFunc) { held.End(); held.End() },
			"context": func(_ *fault.Trigger, cancel context.CancelFunc) { cancel() },
		} {
			held := at.Hold(fault.Moment{Step: event.Locked})
			ctx, cancel := context.WithCancel(t.Context())
			var operation sync.WaitGroup
			passed := false
			operation.Go(func() {
				at.Sink(ctx, event.Event{Step: event.Locked})
				passed = true
			})
			<-held.Reached()
			synctest.Wait()
			require.False(t, passed, name)
			end(held, cancel)
			operation.Wait()
			cancel()
			require.True(t, passed)
			over := false
			select {
			case <-held.Over():
				over = true
			default:
			}
			require.Equal(t, name == "context", over, "a hold is over by itself if the operation's context ended it: %s", name)
		}
	})
}
