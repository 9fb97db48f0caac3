package lab

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/runner"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// TestMain is also what a child process of these tests does.
func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

const calm = `
load: [bank: {clients: 4, accounts: 8, shards: 3, replication: 1, pace: 10ms}]
do:
  - at 500ms: backup a on coordinator-1
expect: [a succeeds, one instant, nothing lost]
power: {lockMode: none, breaks: "> 5%"}
`

// A run in a child process ends with a verdict, its folder has what it did, and the same seed is tried with and
// without locks.
func TestRun(t *testing.T) {
	out := t.TempDir()
	var lines, done int
	report, err := Run(t.Context(), []Scenario{Text("calm", calm)}, Options{
		Power: true, Repeat: 2, Out: out, Keep: true,
		Log: func(string) { lines++ }, Done: func(runner.Result) { done++ },
	})
	require.NoError(t, err)
	require.Len(t, report.Results, 3)
	require.Equal(t, 3, done)
	require.NotZero(t, lines)
	for _, r := range report.Results {
		require.NotEqual(t, verdict.Broken, r.Verdict.Outcome, r.Report())
		require.False(t, r.Verdict.Outcome == verdict.Violated && !r.Job.Unlocked(), r.Report())
		require.NotZero(t, r.Verdict.Operations)
		for _, file := range []string{"verdict.json", "history.jsonl", "events.jsonl", "log.txt", "scenario.yaml"} {
			info, err := os.Stat(r.Folder + "/" + file)
			require.NoError(t, err)
			require.NotZero(t, info.Size(), file)
		}
	}
	require.Equal(t, 1, report.Summary.Unlocked)
	require.Equal(t, 1, report.Summary.Repeats.Runs)
	require.Equal(t, 1, report.Summary.Power[0].Of)
	require.InDelta(t, 0.05, report.Summary.Power[0].Over, 1e-9)
}

// A scenario in this process, with the verdict as the test's.
func TestTest(t *testing.T) {
	var made []runner.Result
	Test(t, Text("calm", calm), Options{Seed: 3, AllowVacuous: true, Done: func(r runner.Result) { made = append(made, r) }})
	require.Len(t, made, 1)
	require.True(t, made[0].Verdict.Backups[0].Checked, made[0].Report())
}

// What cannot be played is an error before anything is started.
func TestWhatCannotBePlayed(t *testing.T) {
	nothing := func(runner.Result) { t.Error("a run was made") }
	for name, c := range map[string]struct {
		yaml, want string
		options    Options
	}{
		"wrong":   {"do:\n  - at 1s: dance\n", "wrong: line ", Options{}},
		"disk":    {"do:\n  - at 1s: crash dbserver-1 keeping 50%\n", "disk: line 2: `", Options{World: world.InProcess}},
		"no such": {calm, `"moon"`, Options{World: "moon"}},
	} {
		c.options.Done = nothing
		_, err := Run(context.Background(), []Scenario{Text(name, c.yaml)}, c.options)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := Find("no-such-scenario", world.Bubble)
	require.ErrorContains(t, err, "no shipped scenario is called")
	_, err = Run(t.Context(), nil, Options{})
	require.ErrorContains(t, err, "no scenario")
}

// Every shipped scenario can be played in a bubble, and seeds and turns are dealt as asked.
func TestJobs(t *testing.T) {
	all, err := All()
	require.NoError(t, err)
	for _, s := range all {
		parsed, err := s.Parse(1)
		require.NoError(t, err)
		require.NotEmpty(t, parsed.About, s.Name)
	}
	made, err := jobs([]Scenario{Text("a", calm), Text("b", calm)}, Options{Seed: 5, Total: 5})
	require.NoError(t, err)
	var got []uint64
	for _, j := range made {
		got = append(got, j.Seed)
	}
	require.Equal(t, []uint64{5, 5, 6, 6, 7}, got)

	// Fewer runs than scenarios are spread over them, and seeds that follow each other leave none out.
	tried := map[string]bool{}
	for seed := range uint64(4) {
		made, err := jobs(all[:8], Options{Seed: seed + 1, Total: 2})
		require.NoError(t, err)
		require.Len(t, made, 2)
		for _, j := range made {
			require.Equal(t, seed+1, j.Seed)
			tried[j.Scenario] = true
		}
	}
	require.Len(t, tried, 8)
}

// A scenario whose name is misspelt is guessed.
func TestNameThatIsMisspelt(t *testing.T) {
	_, err := Find("swam", world.Bubble)
	require.ErrorContains(t, err, "did you mean `swarm`?")
	_, err = Find("coliding-backups", world.Bubble)
	require.ErrorContains(t, err, "did you mean `colliding-backups`?")
}
