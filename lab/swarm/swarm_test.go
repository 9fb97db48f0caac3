package swarm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/scenario"
	"stasis/lab/swarm"
)

// breaking are the actions that break the server that they name first.
var breaking = []string{
	"kill", "crash", "pause", "isolate", "cut", "cut both", "delay both", "reset", "hang disk", "slow disk", "fail disk", "fill disk",
}

// What a seed draws is a scenario that stays within the budget, and the same each time.
func TestWithinTheBudget(t *testing.T) {
	dark, aimed := 0, 0
	for seed := range uint64(150) {
		s, err := swarm.Draw(seed, nil)
		require.NoError(t, err)
		again, err := swarm.Draw(seed, nil)
		require.NoError(t, err)
		require.Equal(t, string(s.Source), string(again.Source))
		victims := map[string][]string{}
		for _, step := range s.Do {
			if step.When.Event != nil {
				aimed++
			}
			for _, a := range step.Actions {
				server := a.Args["a"]
				role, _, _ := strings.Cut(server, "-")
				if strings.Contains(server, "every") {
					dark++
				} else if slices.Contains(breaking, a.Verb) && !slices.Contains(victims[role], server) {
					victims[role] = append(victims[role], server)
				}
			}
		}
		require.LessOrEqual(t, len(victims["agent"]), (s.Cluster.Agents-1)/2, string(s.Source))
		require.Less(t, len(victims["dbserver"]), s.Load[0].Spec.Replication, string(s.Source))
		require.Less(t, len(victims["coordinator"]), s.Cluster.Coordinators, string(s.Source))
		require.NotEmpty(t, s.Operations())
		require.True(t, slices.ContainsFunc(s.Do, func(step scenario.Step) bool {
			return slices.ContainsFunc(step.Actions, func(a scenario.Action) bool { return a.Verb != "backup" })
		}), "no fault:\n%s", s.Source)
	}
	require.Greater(t, dark, 8)
	require.Greater(t, aimed, 20)
}

// What a world cannot do is not drawn.
func TestWhatAWorldCanDo(t *testing.T) {
	can := []string{scenario.LinkFaults, scenario.Pause}
	for seed := range uint64(60) {
		s, err := swarm.Draw(seed, func(f string) bool { return slices.Contains(can, f) })
		require.NoError(t, err)
		for _, need := range scenario.Requires(s) {
			require.Contains(t, can, need.Feature, string(s.Source))
		}
	}
}

// Seeds draw different scenarios.
func TestSeedsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(50) {
		s, err := swarm.Draw(seed, nil)
		require.NoError(t, err)
		_, body, _ := strings.Cut(string(s.Source), "cluster:")
		seen[body] = true
	}
	require.Len(t, seen, 50)
}
