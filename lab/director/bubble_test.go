package director

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
	"stasis/lab/check"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// stand is how a test plays a scenario.
type stand struct {
	seed    uint64
	without bool               // backups hold up no writer
	judge   func(pieces) judge // nil: the real one
}

// inBubble plays a scenario on a cluster in a bubble.
func (how stand) play(t *testing.T, s *scenario.Scenario) (v verdict.Verdict) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		w, err := world.Start(t.Context(), world.Bubble, world.Config{
			Agents: s.Cluster.Agents, DBServers: s.Cluster.DBServers, Coordinators: s.Cluster.Coordinators,
			LatencyLeast: s.Cluster.LatencyLeast, LatencyMost: s.Cluster.LatencyMost, Grace: s.Cluster.Grace, Seed: how.seed, WithoutLocks: how.without,
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, w.Close(context.Background())) }()
		real, stop := followPlan(w)
		defer stop()
		var j judge = real
		if how.judge != nil {
			j = how.judge(real)
		}
		v = play(t.Context(), s, w, Options{Seed: how.seed, Log: func(line string) { t.Log(line) }}, j)
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

func TestTry(t *testing.T) {
	name := os.Getenv("LAB_TRY")
	if name == "" {
		t.Skip()
	}
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	s, err := scenario.Parse("try", text)
	require.NoError(t, err)
	begun := time.Now()
	stand{seed: 1, without: os.Getenv("LAB_WITHOUT") != "", judge: func(p pieces) judge { return measuring{t, p} }}.play(t, s)
	t.Log("real", time.Since(begun))
}

type measuring struct {
	t *testing.T
	pieces
}

func (m measuring) backup(ctx context.Context, w world.World, s check.Subject) (verdict.Backup, []verdict.Violation, error) {
	m.t.Log("straddling by gates", check.Straddling(s.History, s.Events))
	return m.pieces.backup(ctx, w, s)
}
