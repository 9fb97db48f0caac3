package runner

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// TestMain is also what a child process of these tests does.
func TestMain(m *testing.M) {
	if IsChild() {
		childOf(script)
	}
	os.Exit(m.Run())
}

// script does what the name of the scenario says.
func script(ctx context.Context, o *One) verdict.Verdict {
	v := verdict.Verdict{Outcome: verdict.Passed, Notes: []string{fmt.Sprint(crand.Text(), rand.Int63())}}
	switch o.Job.Scenario {
	case "sleeps":
		<-time.After(time.Hour) // of virtual time
	case "leaks":
		go func() { <-make(chan int) }()
	case "waits for ever":
		<-make(chan int)
	case "stands still":
		var held sync.Mutex
		held.Lock()
		held.Lock()
	case "crashes":
		go panic("of the lab")
		<-ctx.Done()
	case "asks who it is":
		v.Notes = []string{fmt.Sprint(IsChild())}
	case "exits":
		os.Exit(3)
	}
	return v
}

func runs(scenario string, kind world.Kind, seeds ...uint64) (jobs []Job) {
	for _, seed := range seeds {
		jobs = append(jobs, Job{Scenario: scenario, World: kind, Seed: seed})
	}
	return jobs
}

// What a run draws comes from its seed, and time in a bubble is virtual.
func TestRunsAreSeeded(t *testing.T) {
	results, err := Run(t.Context(), runs("sleeps", world.Bubble, 1, 2, 1), Options{Out: t.TempDir()})
	require.NoError(t, err)
	require.Len(t, results, 3)
	for _, r := range results {
		require.Equal(t, verdict.Passed, r.Verdict.Outcome, r.Verdict.Reason)
		require.Equal(t, time.Hour, r.Verdict.Virtual)
		require.Empty(t, r.Folder)
	}
	require.Equal(t, results[0].Verdict.Notes, results[2].Verdict.Notes)
	require.NotEqual(t, results[0].Verdict.Notes, results[1].Verdict.Notes)
}

// A run that crashes, hangs, ends or leaves something takes no other with it, and what it printed is kept.
func TestRunsThatGoWrong(t *testing.T) {
	for name, want := range map[string]struct {
		outcome verdict.Outcome
		says    string
		file    string
	}{
		"leaks":          {verdict.Violated, "1 goroutines are left after the cluster was stopped, the first at stasis/lab/runner.script", fileGoroutines},
		"waits for ever": {verdict.Broken, "nothing goes on any more", fileGoroutines},
		"stands still":   {verdict.Broken, "time stands still at stasis/lab/runner.script", fileGoroutines},
		"crashes":        {verdict.Broken, "panic: of the lab", fileOutput},
		"exits":          {verdict.Broken, "without a verdict: exit status 3", fileOutput},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Out: t.TempDir()}
			if name == "stands still" {
				o.Timeout = 2 * time.Second
			}
			results, err := Run(t.Context(), runs(name, world.Bubble, 7), o)
			require.NoError(t, err)
			r := results[0]
			require.Equal(t, want.outcome, r.Verdict.Outcome)
			text := strings.Join(r.Details(), "\n")
			require.Contains(t, text, want.says)
			require.Contains(t, text, "again: stasis lab run "+quoted(name)+" --world bubble --seed 7")
			require.FileExists(t, filepath.Join(r.Folder, want.file))
			require.FileExists(t, filepath.Join(r.Folder, fileVerdict))
		})
	}
}

// When the context ends, so do the children, and what was made is there.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := filepath.Join(t.TempDir(), "out")
	jobs := append(runs("sleeps", world.Bubble, 1), runs("stands still", world.Bubble, 2, 3)...)
	results, err := Run(ctx, jobs, Options{Out: out, Parallel: 1, Done: func(Result) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, results, 1)
	require.NoDirExists(t, out, "the run has made it, and nothing is in it")
}

// A folder for what runs leave that was there before stays, and so does one in which something was left.
func TestFolderOfOthersStays(t *testing.T) {
	out := t.TempDir()
	_, err := Run(t.Context(), runs("asks who it is", world.Bubble, 1), Options{Out: out})
	require.NoError(t, err)
	require.DirExists(t, out)
	require.NoError(t, os.WriteFile(filepath.Join(out, "x"), nil, 0o600))
	require.NoError(t, removeEmpty(out))
	require.FileExists(t, filepath.Join(out, "x"))
}

// The reason of a run that took too long has what it waited for, and no numbers that were not measured.
func TestLastWords(t *testing.T) {
	c := child{folder: t.TempDir(), timeout: time.Minute}
	require.NoError(t, os.WriteFile(filepath.Join(c.folder, fileLog), []byte("   0.000s  the load runs\n  60.000s  it waits for line 2: at 19m\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(c.folder, fileOutput), nil, 0o600))
	r := Result{Verdict: c.verdict(ending{expired: true}, Job{Scenario: "s"})}
	require.Contains(t, r.Verdict.Reason, `the last that it told: "60.000s  it waits for line 2: at 19m"`)
	require.NotContains(t, r.Report(), "0 operations")
}

// A run that was broken before its load had begun has no history to write for elle-cli, and that is no news.
func TestNoHistoryToExport(t *testing.T) {
	folder := t.TempDir()
	require.Empty(t, export(folder))
	require.NoError(t, os.WriteFile(filepath.Join(folder, fileHistory), nil, 0o600))
	require.Empty(t, export(folder))
	require.NoError(t, os.WriteFile(filepath.Join(folder, fileHistory), []byte("x\n"), 0o600))
	require.NotEmpty(t, export(folder))
}

// A crash in the code of the servers is a violation, and so is a race.
func TestCrashOfServers(t *testing.T) {
	output := "x\npanic: nil map\n\ngoroutine 7 [running]:\nstasis/dbserver/gate.(*Gate).Lock(0x1)\n\t/x/gate.go:12 +0x1\n"
	v := crashed(verdict.Verdict{Outcome: verdict.Broken}, []byte(output), nil)
	require.Equal(t, verdict.Violated, v.Outcome)
	require.Contains(t, v.Violations[0].Text, "stasis/dbserver/gate.(*Gate).Lock (/x/gate.go:12)")
	v = withRaces(verdict.Verdict{Outcome: verdict.Passed}, []byte(markRace+"\n"))
	require.Equal(t, verdict.Violated, v.Outcome)
}

func TestSummary(t *testing.T) {
	job := Job{Scenario: "s", World: world.Bubble}
	none := Job{Scenario: "s", World: world.Bubble, LockMode: client.LockModeNone}
	torn := []verdict.Violation{{Check: verdict.CheckInstant}}
	fault := verdict.Fault{Text: "cut a <-> b", Aimed: "cut", Injected: 3, Met: 2, Overlaps: 0}
	backup := func(d time.Duration) verdict.Backup {
		return verdict.Backup{ID: "x", Checked: true, Hold: d, Attempts: 2}
	}
	s := Summarize([]Result{
		{Job: job, Verdict: verdict.Verdict{Outcome: verdict.Passed, Trace: "1", Faults: []verdict.Fault{fault}, Backups: []verdict.Backup{backup(1e6), backup(3e6)}, Virtual: time.Minute, Real: time.Second}},
		{Job: job, Verdict: verdict.Verdict{Outcome: verdict.Vacuous, Trace: "2", Reason: "the fault missed", Backups: []verdict.Backup{{Error: "e"}}}},
		{Job: none, Verdict: verdict.Verdict{Outcome: verdict.Violated, Trace: "2", Violations: torn}},
		{Job: none, Verdict: verdict.Verdict{Outcome: verdict.Passed, Trace: "2"}},
	}, 2*time.Second)
	require.Equal(t, []int{4, 1, 1, 0, 0, 2}, []int{s.Runs, s.Passed, s.Vacuous, s.Violated, s.Broken, s.Unlocked})
	require.Equal(t, 2, s.Traces)
	require.Equal(t, PowerSummary{Scenario: "s", Found: 1, Of: 2, Low: s.Power[0].Low, High: s.Power[0].High}, s.Power[0])
	require.InDelta(t, 0.0945, s.Power[0].Low, 0.001)
	require.InDelta(t, 0.9055, s.Power[0].High, 0.001)
	require.Equal(t, FaultSummary{Scenario: "s", Text: "cut a <-> b", Runs: 1, Injected: 1, Met: 1, Aimed: true}, s.Faults[0])
	require.Equal(t, Spread{P50: 3e6, Max: 3e6}, s.Backups.Hold)
	require.InDelta(t, 120, s.Speed.RunsPerMinute, 0.01)
	var text strings.Builder
	require.NoError(t, s.Write(&text))
	require.Contains(t, text.String(), "4 runs: 1 passed, 1 vacuous, 0 violated, 0 broken, 2 without locks")
	require.Contains(t, text.String(), "; 2 different traces\n")
	require.Equal(t, "1 attempt", counted(1, "attempt"))
	require.Contains(t, text.String(), "vacuous, 1 of s: the fault missed")
}

// Runs that are asked for twice go on at the same time, each in a folder of its own.
func TestFoldersDiffer(t *testing.T) {
	require.Equal(t, []string{"s-bubble-1", "s-bubble-2", "s-bubble-1-again-2"}, folders(runs("s", world.Bubble, 1, 2, 1)))
}

// Where a run hung is told from where it was at work when its time was over.
func TestASlowRunIsNoDeadlock(t *testing.T) {
	stack := "\nstasis/dbserver/gate.(*Gate).Lock(0x1)\n\t/x/gate.go:12 +0x1\n"
	require.Contains(t, placeOf([]byte("goroutine 7 [runnable, synctest bubble 1]:"+stack)), "it was at work at stasis/dbserver/gate")
	require.Contains(t, placeOf([]byte("goroutine 7 [sync.Mutex.Lock, synctest bubble 1]:"+stack)), "time stands still at stasis/dbserver/gate")
}

// What runs without locks show is held against what the scenario says, with the interval of the part.
func TestPowerIsHeldAgainstItsBound(t *testing.T) {
	none := func(found, of int) Summary {
		var all []Result
		for i := range of {
			v := verdict.Verdict{Outcome: verdict.Passed}
			if i < found {
				v.Violate(verdict.Violation{Check: verdict.CheckInstant})
			}
			all = append(all, Result{Job: Job{Scenario: "s", LockMode: client.LockModeNone, BreaksOver: 0.05}, Verdict: v})
		}
		return Summarize(all, time.Second)
	}
	for _, c := range []struct {
		found, of int
		shows     Power
		outcome   verdict.Outcome
	}{{9, 40, Shown, verdict.Passed}, {1, 2, Shown, verdict.Passed}, {1, 20, Open, verdict.Vacuous}, {0, 10, Open, verdict.Vacuous}, {0, 100, Missed, verdict.Violated}} {
		s := none(c.found, c.of)
		require.Equal(t, c.shows, s.Power[0].Shows(), "%d of %d: %+v", c.found, c.of, s.Power[0])
		require.Equal(t, c.outcome, s.Outcome(), "%d of %d", c.found, c.of)
	}
}

// Of a run without locks a torn backup is what is looked for. A crash, or anything else that it violates, shows no power and is not hidden.
func TestWhatLocksHaveNoPartIn(t *testing.T) {
	without := func(check string) Result {
		r := Result{Job: Job{Scenario: "s", LockMode: client.LockModeNone, BreaksOver: 0.05}, Verdict: verdict.Verdict{Outcome: verdict.Passed}}
		r.Verdict.Violate(verdict.Violation{Check: check})
		return r
	}
	for check, found := range map[string]int{verdict.CheckInstant: 1, verdict.CheckReplicas: 1, "no crash": 0, "nothing lost": 0} {
		r := without(check)
		require.Equal(t, found == 0, r.bad(), check)
		s := Summarize([]Result{without(verdict.CheckInstant), r}, time.Second)
		require.Equal(t, 1+found, s.Power[0].Found, check)
		require.Equal(t, 1-found, s.Violated, check)
		require.Equal(t, found == 0, s.Outcome() == verdict.Violated, check)
	}
}

// A scenario of which each run is vacuous is named.
func TestAlwaysVacuous(t *testing.T) {
	run := func(scenario string, o verdict.Outcome) Result {
		return Result{Job: Job{Scenario: scenario}, Verdict: verdict.Verdict{Outcome: o}}
	}
	s := Summarize([]Result{run("a", verdict.Vacuous), run("a", verdict.Passed), run("b", verdict.Vacuous), run("b", verdict.Vacuous)}, time.Second)
	require.Equal(t, []string{"b"}, s.AlwaysVacuous())
	require.Equal(t, verdict.Vacuous, s.Outcome())
}

// Servers that a run starts are the same program, and must not take themselves for runs.
func TestServersAreNoRuns(t *testing.T) {
	results, err := Run(t.Context(), runs("asks who it is", world.Processes, 1), Options{Out: t.TempDir()})
	require.NoError(t, err)
	require.Equal(t, []string{"false"}, results[0].Verdict.Notes)
}

// The reason of a run without a verdict is how its process ended, not that a file is missing which it could not write.
func TestNoVerdictOnAFullDisk(t *testing.T) {
	for _, text := range []*string{nil, new(string)} { // the file is not there, or empty
		c := child{folder: t.TempDir()}
		if text != nil {
			require.NoError(t, os.WriteFile(filepath.Join(c.folder, fileVerdict), nil, 0o600))
		}
		require.NoError(t, os.WriteFile(filepath.Join(c.folder, fileOutput), []byte("write the verdict: no space left on device\n"), 0o600))
		v := c.verdict(ending{err: errors.New("exit status 1")}, Job{Scenario: "s", World: world.Bubble})
		require.Equal(t, verdict.Broken, v.Outcome)
		require.Equal(t, "the process of the run has ended without a verdict: exit status 1; it said: write the verdict: no space left on device", v.Reason)
	}
}
