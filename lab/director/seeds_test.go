package director

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
	"stasis/lab/scenario"
	"stasis/lab/scenarios"
	"stasis/lab/verdict"
)

// Runs that were wrong, or judged wrongly, once, with their seeds.
func TestSeedsOfFoundBugs(t *testing.T) {
	for _, run := range []struct {
		scenario string
		seed     uint64
	}{
		{"coordinator-dies-before-commit", 11}, // an answer of the coordinator arrived long after it had been killed
		{"restore-coordinator-dies", 7},        // it could not be told that the restore had not been committed
		{"upload-coordinator-dies", 2},         // no fault of the lab: a DB server dropped a part that it had taken, and the upload never ended
	} {
		t.Run(run.scenario, func(t *testing.T) {
			s, err := scenarios.Load(run.scenario)
			require.NoError(t, err)
			v := stand{seed: run.seed}.play(t, s)
			require.Equal(t, verdict.Passed, v.Outcome, "%s %v", v.Reason, v.Violations)
		})
	}
}

// What a seed of the swarm draws is played like any scenario: this one cuts the power of the whole cluster, and servers
// are started while others have not ended yet.
func TestSwarm(t *testing.T) {
	v := stand{seed: 7}.play(t, tried(t, "swarm", 7))
	require.Equal(t, verdict.Passed, v.Outcome, "%s %v", v.Reason, v.Violations)
}

// A few seeds that follow each other take early and late steps, and not many more than there are steps take them all.
func TestStepsOfSeeds(t *testing.T) {
	m := &scenario.Moment{}
	for step := range 20 {
		m.Among = append(m.Among, fmt.Sprint(step))
	}
	for _, name := range []string{"restore-coordinator-dies", "dbserver-dies-in-backup", "own"} {
		taken := map[string]uint64{}
		var early, late bool
		for seed := range uint64(40) {
			step := chosen(m, name, seed+1).Step
			taken[step]++
			if i := slices.Index(m.Among, step); seed < 4 {
				early, late = early || i < 7, late || i >= 13
			}
		}
		require.True(t, early && late, "four seeds of %s", name)
		require.Len(t, taken, 20, name)
	}
	require.Empty(t, m.Step, "the scenario stays as it is")
	require.Nil(t, chosen(nil, "own", 1))
}

// One server is ended or started at a time, several at once, and the wait for a turn stops no clock.
func TestTurns(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var all turns
		begun := time.Now()
		first := make(chan error, 1)
		slow := func(string) error { time.Sleep(20 * time.Second); return nil }
		go func() { first <- all.forEach(t.Context(), []string{"agent-1", "agent-2"}, slow) }()
		synctest.Wait()
		require.NoError(t, all.forEach(t.Context(), []string{"agent-2", "agent-3"}, slow))
		require.Equal(t, 40*time.Second, time.Since(begun), "agent-2 has had its turn after the first")
		require.NoError(t, <-first)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { first <- all.forEach(t.Context(), []string{"agent-1"}, slow) }()
		synctest.Wait()
		require.ErrorIs(t, all.forEach(ctx, []string{"agent-1"}, slow), context.DeadlineExceeded)
		require.NoError(t, <-first)
	})
}

// The seed draws the order of the actions of a step that is shuffled, so both orders happen over seeds; another step stays as it is.
func TestOrderOfTheSeed(t *testing.T) {
	s, err := scenarios.Load("delete-and-restore-race")
	require.NoError(t, err)
	verbs := func(seed uint64, at int) (all []string) {
		r := &run{stage: &stage{seed: seed}}
		for _, i := range (&script{r}).order(&step{Step: s.Do[at]}) {
			all = append(all, s.Do[at].Actions[i].Verb)
		}
		return all
	}
	first := map[string]int{}
	for seed := range uint64(20) {
		all := verbs(seed, 1)
		require.Equal(t, all, verbs(seed, 1))
		require.ElementsMatch(t, []string{"restore", "wait up to", "delete"}, all)
		if slices.Index(all, "restore") < slices.Index(all, "delete") {
			first["restore"]++
		} else {
			first["delete"]++
		}
		require.Equal(t, []string{"backup"}, verbs(seed, 0))
	}
	require.Greater(t, first["restore"], 4)
	require.Greater(t, first["delete"], 4)
}
