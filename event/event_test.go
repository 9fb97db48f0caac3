package event_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/internal/bubbles"
)

func TestLinesForPeople(t *testing.T) {
	for want, e := range map[string]event.Event{
		"cut": {Step: event.CutDone},
		"locking PRMR-2 (attempt 3, window 605ms, 1.21s): writer still active": {
			Step: event.LockAttempt, Server: "PRMR-2", Attempt: 3, Window: 605 * time.Millisecond, Elapsed: 1210 * time.Millisecond, Detail: "writer still active"},
		"linked PRMR-1 (350µs)":     {Step: event.Linked, Server: "PRMR-1", Elapsed: 351 * time.Microsecond},
		"undoing: disk full":        {Step: event.Undoing, Error: "disk full"},
		"undone: all: but not that": {Step: event.Undone, Detail: "all", Error: "but not that"},
	} {
		require.Equal(t, want, e.String())
	}
}

func TestNoSink(t *testing.T) {
	var none event.Sink
	none.Emit(t.Context(), event.Event{Step: event.Cut})
	event.Tee(none, nil).Emit(t.Context(), event.Event{Step: event.Cut})
}

// Sinks are called one after the other, before Emit returns, with one stamp.
func TestTeeKeepsOrder(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		type key struct{}
		var got []string
		var stamps []time.Time
		sink := func(name string) event.Sink {
			return func(ctx context.Context, e event.Event) {
				got = append(got, name+" "+string(e.Step)+" "+ctx.Value(key{}).(string))
				stamps = append(stamps, e.At)
				time.Sleep(time.Second)
			}
		}
		began := time.Now()
		both := event.Tee(sink("a"), sink("b"))
		ctx := context.WithValue(t.Context(), key{}, "ctx")
		both.Emit(ctx, event.Event{Step: event.Linking})
		both.Emit(ctx, event.Event{Step: event.Linked, At: began.Add(time.Hour)})
		require.Equal(t, []string{"a linking ctx", "b linking ctx", "a linked ctx", "b linked ctx"}, got)
		require.Equal(t, []time.Time{began, began, began.Add(time.Hour), began.Add(time.Hour)}, stamps)
		require.Equal(t, 4*time.Second, time.Since(began), "sinks are called synchronously")
	})
}

func TestEventCrossesTheWire(t *testing.T) {
	e := event.Event{
		At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Operation: "create", ID: "id", Step: event.LockFailed,
		Server: "PRMR-1", Attempt: 2, Window: time.Second, Elapsed: 3 * time.Millisecond, Detail: "d", Error: "e",
	}
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	var got event.Event
	require.NoError(t, json.Unmarshal(raw, &got))
	require.Equal(t, e, got)
	raw, err = json.Marshal(event.Event{Operation: "create", Step: event.Cut})
	require.NoError(t, err)
	require.JSONEq(t, `{"at":"0001-01-01T00:00:00Z","operation":"create","id":"","step":"cutting"}`, string(raw))
}
