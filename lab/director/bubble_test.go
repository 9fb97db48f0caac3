package director

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/internal/bubbles"
	"stasis/lab/scenario"
	"stasis/lab/swarm"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// stand is how a test plays a scenario.
type stand struct {
	seed  uint64
	mode  client.LockMode    // of its backups
	judge func(pieces) judge // nil: the real one
}

// inBubble plays a scenario on a cluster in a bubble.
func (how stand) play(t *testing.T, s *scenario.Scenario) (v verdict.Verdict) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		w, err := world.Start(t.Context(), world.Bubble, world.Config{
			Agents: s.Cluster.Agents, DBServers: s.Cluster.DBServers, Coordinators: s.Cluster.Coordinators,
			LatencyLeast: s.Cluster.LatencyLeast, LatencyMost: s.Cluster.LatencyMost, Grace: s.Cluster.Grace, Seed: how.seed,
			ClockSkew: s.Cluster.ClockSkew, Buggify: s.Cluster.Buggify,
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, w.Close(context.Background())) }()
		real, stop := followPlan(w)
		defer stop()
		var j judge = real
		if how.judge != nil {
			j = how.judge(real)
		}
		v = play(t.Context(), s, w, Options{Seed: how.seed, LockMode: how.mode, Log: func(line string) { t.Log(line) }}, j)
	})
	t.Logf("%s: %s %s, %d operations, %d straddle, %v virtual", s.Name, v.Outcome, v.Reason, v.Operations, v.Straddling, v.Virtual.Round(time.Millisecond))
	for _, b := range v.Backups {
		t.Logf("%+v", b)
	}
	for _, f := range v.Faults {
		t.Logf("%+v", f)
	}
	for _, one := range v.Violations {
		t.Logf("violation: %+v", one)
	}
	for _, n := range v.Notes {
		t.Log("note: " + n)
	}
	return v
}

// TestTry plays the scenarios of LAB_TRY, files or the word swarm, with the seeds 1 to LAB_SEEDS, or with LAB_SEED alone, and shows how each run ends.
func TestTry(t *testing.T) {
	files := strings.Fields(os.Getenv("LAB_TRY"))
	if len(files) == 0 {
		t.Skip("LAB_TRY names no file")
	}
	first, last := 1, max(1, scenario.Count(os.Getenv("LAB_SEEDS")))
	if one := scenario.Count(os.Getenv("LAB_SEED")); one > 0 {
		first, last = one, one
	}
	for _, file := range files {
		for seed := first; seed <= last; seed++ {
			t.Run(fmt.Sprintf("%s-%d", filepath.Base(file), seed), func(t *testing.T) {
				s := tried(t, file, uint64(seed))
				begun := time.Now()
				v := stand{seed: uint64(seed), mode: client.LockMode(os.Getenv("LAB_MODE"))}.play(t, s)
				fmt.Printf("## %s %d: %s %s, %v virtual, %v\n", filepath.Base(file), seed, v.Outcome, v.Reason, v.Virtual.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
				for _, one := range v.Violations {
					fmt.Printf("   %+v\n", one)
				}
			})
		}
	}
}

// tried is the scenario of a file, or what a seed of the swarm draws, of which bubbles can do all.
func tried(t *testing.T, file string, seed uint64) *scenario.Scenario {
	t.Helper()
	if file == "swarm" {
		s, err := swarm.Draw(seed, func(feature string) bool { return world.Can(world.Bubble, world.Feature(feature)) == nil })
		require.NoError(t, err)
		t.Logf("\n%s", s.Source)
		return s
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	s, err := scenario.Parse(file, text)
	require.NoError(t, err)
	return s
}
