package director

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/internal/bubbles"
	"stasis/lab/reader"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// byReader judges by the workloads alone.
type byReader struct{}

func (byReader) backup(ctx context.Context, w world.World, s subject) (b verdict.Backup, found []verdict.Violation, err error) {
	all, err := w.Pieces(s.created.ID)
	if err != nil {
		return b, nil, err
	}
	r, err := reader.Open(ctx, s.created.ID, all)
	if err != nil {
		return b, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, l := range s.loads {
		f, err := l.CheckCut(ctx, r.Client(), s.cut)
		if err != nil {
			return b, nil, err
		}
		for _, p := range f.Problems {
			found = append(found, verdict.Violation{Check: "one instant", Text: p})
		}
	}
	return b, found, nil
}

func (byReader) frozen([]event.Event) []verdict.Violation { return nil }

// playInBubble plays a scenario on a cluster in a bubble.
func playInBubble(t *testing.T, s *scenario.Scenario, seed uint64, without bool) (v verdict.Verdict) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		w, err := world.Start(t.Context(), world.Bubble, world.Config{
			Agents: s.Cluster.Agents, DBServers: s.Cluster.DBServers, Coordinators: s.Cluster.Coordinators,
			LatencyLeast: s.Cluster.LatencyLeast, LatencyMost: s.Cluster.LatencyMost, Grace: s.Cluster.Grace, Seed: seed, WithoutLocks: without,
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, w.Close(context.Background())) }()
		begun := time.Now()
		v = play(t.Context(), s, w, Options{Seed: seed, Log: func(line string) { t.Log(line) }}, byReader{})
		t.Logf("%+v virtual %v", v, time.Since(begun))
	})
	return v
}

// TestTry plays the scenarios of LAB_TRY with the seeds 1 to LAB_SEEDS, and shows how each run ends.
func TestTry(t *testing.T) {
	files := strings.Fields(os.Getenv("LAB_TRY"))
	if len(files) == 0 {
		t.Skip("LAB_TRY names no file")
	}
	seeds := max(1, scenario.Count(os.Getenv("LAB_SEEDS")))
	for _, file := range files {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s-%d", filepath.Base(file), seed+1), func(t *testing.T) {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				s, err := scenario.Parse(file, text)
				require.NoError(t, err)
				begun := time.Now()
				v := playInBubble(t, s, uint64(seed+1), os.Getenv("LAB_WITHOUT") != "")
				fmt.Printf("## %s %d: %s %s, %v virtual, %v\n", filepath.Base(file), seed+1, v.Outcome, v.Reason, v.Virtual.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
				for _, one := range v.Violations {
					fmt.Printf("   %+v\n", one)
				}
			})
		}
	}
}
