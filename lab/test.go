package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"stasis/lab/runner"
	"stasis/lab/verdict"
)

// Test plays a scenario in this process, once for each seed, and fails the test if a run is violated, could not be
// made, or is vacuous and o does not allow that. What a failed run leaves lies in the test's artifacts, if they are kept.
func Test(t *testing.T, s Scenario, o Options) {
	t.Helper()
	all, err := jobs([]Scenario{s}, o)
	if err != nil {
		t.Fatal(err)
	}
	// A server takes faults by orders that Raft and the clients never see; what is drawn has to come from the seed.
	t.Setenv("GODEBUG", strings.TrimPrefix(os.Getenv("GODEBUG")+",randseednop=0", ","))
	for _, j := range all {
		name := fmt.Sprint("seed ", j.Seed)
		if j.LockMode != "" {
			name += " lock mode " + string(j.LockMode)
		}
		t.Run(name, func(t *testing.T) { test(t, j, o) })
	}
}

// test makes one run.
func test(t *testing.T, j runner.Job, o Options) {
	runner.Seed(t, j.Seed)
	defer watchdog(j, o)()
	folder := t.ArtifactDir()
	if err := os.WriteFile(filepath.Join(folder, "scenario.yaml"), j.Source, 0o600); err != nil {
		t.Fatal(err)
	}
	one := &runner.One{Job: j, Folder: folder, Program: o.Program, Log: func(line string) { t.Log(line) }, Servers: t.Output()}
	begun := time.Now()
	v, err := one.Make(t)
	if err != nil {
		t.Fatal(err)
	}
	v.Real = time.Since(begun)
	r := runner.Result{Job: j, LockMode: j.LockMode, Verdict: v, Folder: folder,
		Repeat: fmt.Sprintf("go test -run '^%s$'", regexp.QuoteMeta(t.Name()))}
	if o.Done != nil {
		o.Done(r)
	}
	text := r.Report()
	switch {
	case v.Outcome == verdict.Broken, v.Outcome == verdict.Violated && !j.Unlocked(), v.Outcome == verdict.Vacuous && !o.AllowVacuous && !j.Unlocked():
		t.Error(text)
	default:
		t.Log(text)
	}
}

// watchdog ends the process with all goroutines if a run takes too long in real time.
func watchdog(j runner.Job, o Options) (stop func()) {
	limit := o.Timeout
	if limit == 0 {
		limit = runner.DefaultTimeout
	}
	timer := time.AfterFunc(limit, func() {
		all := make([]byte, 64<<20)
		all = all[:runtime.Stack(all, true)]
		panic(fmt.Sprintf("%s, seed %d, did not end within %v of real time\n\n%s", j.Scenario, j.Seed, limit, all))
	})
	return func() { timer.Stop() }
}
