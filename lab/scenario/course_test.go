package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/scenario"
)

// A step that is left to the seed is one of the operation's own course, between two bounds.
func TestSomeStep(t *testing.T) {
	among := func(when string) []string {
		s, err := scenario.Parse("x", []byte("do:\n  - at 1s: backup a\n  - after a: restore a\n  - "+when+": heal\n"))
		require.NoError(t, err)
		return s.Do[2].When.Event.Among
	}
	require.Equal(t, scenario.Course("create"), among("when a is some step"))
	require.NotContains(t, among("when a is some step"), "undone", "an operation that nothing disturbs undoes nothing")
	require.Equal(t, []string{"committed", "publishing", "published"}, among(`when a is some step from "committed"`))
	before := among(`when a is some step before "committed"`)
	require.Equal(t, []string{"acquiring agency lock", "committing"}, []string{before[0], before[len(before)-1]})
	require.Equal(t, []string{"staging", "staged"}, among(`when restore-a is some step from "staging" before "switching Plan"`))
}

// Faults end by themselves if the scenario says so.
func TestForSomeTime(t *testing.T) {
	s, err := scenario.Parse("x", []byte(`
do:
  - at 1s: ['cut agent-1, agent-2 <-> agent-3 for 5s', isolate agent-1 for 1s, hang disk of dbserver-1 at syncs for 3s]
`))
	require.NoError(t, err)
	for i, want := range []string{"5s", "1s", "3s"} {
		require.Equal(t, want, s.Do[0].Actions[i].Args["time"])
	}
}
