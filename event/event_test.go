package event

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

func TestLinesForPeople(t *testing.T) {
	for want, e := range map[string]Event{
		"cut": {Step: CutDone},
		"locking PRMR-2 (attempt 3, window 605ms, 1.21s): writer still active": {
			Step: LockAttempt, Server: "PRMR-2", Attempt: 3, Window: 605 * time.Millisecond, Elapsed: 1210 * time.Millisecond, Detail: "writer still active"},
		"linked PRMR-1 (350µs)":     {Step: Linked, Server: "PRMR-1", Elapsed: 351 * time.Microsecond},
		"undoing: disk full":        {Step: Undoing, Error: "disk full"},
		"undone: all: but not that": {Step: Undone, Detail: "all", Error: "but not that"},
	} {
		require.Equal(t, want, e.String())
	}
}

func TestNobodyListens(t *testing.T) {
	var none Sink
	none.Emit(t.Context(), Event{Step: Cut})
	Tee(none, nil).Emit(t.Context(), Event{Step: Cut})
}

// Sinks are called one after the other, before Emit returns, with one stamp.
func TestTeeKeepsOrder(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		type key struct{}
		var got []string
		var stamps []time.Time
		sink := func(name string) Sink {
			return func(ctx context.Context, e Event) {
				got = append(got, name+" "+string(e.Step)+" "+ctx.Value(key{}).(string))
				stamps = append(stamps, e.At)
				time.Sleep(time.Second)
			}
		}
		began := time.Now()
		both := Tee(sink("a"), sink("b"))
		ctx := context.WithValue(t.Context(), key{}, "ctx")
		both.Emit(ctx, Event{Step: Linking})
		both.Emit(ctx, Event{Step: Linked, At: began.Add(time.Hour)})
		require.Equal(t, []string{"a linking ctx", "b linking ctx", "a linked ctx", "b linked ctx"}, got)
		require.Equal(t, []time.Time{began, began, began.Add(time.Hour), began.Add(time.Hour)}, stamps)
		require.Equal(t, 4*time.Second, time.Since(began), "sinks are called synchronously")
	})
}

func TestEventCrossesTheWire(t *testing.T) {
	e := Event{
		At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Operation: "create", ID: "id", Step: LockFailed,
		Server: "PRMR-1", Attempt: 2, Window: time.Second, Elapsed: 3 * time.Millisecond, Detail: "d", Error: "e",
	}
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	var got Event
	require.NoError(t, json.Unmarshal(raw, &got))
	require.Equal(t, e, got)
	raw, err = json.Marshal(Event{Operation: "create", Step: Cut})
	require.NoError(t, err)
	require.JSONEq(t, `{"at":"0001-01-01T00:00:00Z","operation":"create","id":"","step":"cutting"}`, string(raw))
}
