package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/fault/control"
)

// The list says of a hold what it holds, that it ended by itself, where it holds nothing, and that it never will.
func TestHeldText(t *testing.T) {
	names := map[string]string{"PRMR-1": "dbserver-1"}
	step := &event.Event{Step: event.CutDone, Operation: event.Create, ID: "a", Server: "PRMR-1"}
	for want, r := range map[string]control.Rule{
		"not yet":                {},
		"create a at dbserver-1": {Event: step},
		"create a at dbserver-1, and ended by itself: it took too long": {Event: step, Over: "it took too long"},
		"not yet; not at dbserver-2: its process has ended":             {Silent: map[string]string{"dbserver-2": "its process has ended"}},
		"never: all processes have ended": {
			Over: "all processes have ended", Silent: map[string]string{"dbserver-2": "its process has ended"},
		},
	} {
		require.Equal(t, want, heldText(r, names))
	}
}
