package told_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/internal/told"
)

// What was told is kept in its order, and told apart by operation and emitter.
func TestEvents(t *testing.T) {
	var seen told.Events
	require.Empty(t, seen.All())
	all := []event.Event{
		{Operation: event.Create, Emitter: "A", Step: event.Locked},
		{Operation: event.Create, Emitter: "B", Step: event.CutDone},
		{Operation: event.Delete, Emitter: "A", Step: event.Deleting},
	}
	for _, e := range all {
		seen.Sink(t.Context(), e)
	}
	require.Equal(t, all, seen.All())
	require.Equal(t, []event.Name{event.Locked, event.CutDone}, seen.Steps(told.Of(event.Create)))
	require.Equal(t, []event.Name{event.CutDone}, seen.Steps(told.Of(event.Create, "B")))
	require.Empty(t, seen.Steps(told.Of(event.Delete, "B")))
}
