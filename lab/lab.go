// Package lab is the fault lab for programs and tests: it plays scenarios on clusters that it starts, breaks and
// judges.
//
// A test of another module plays its own scenario in ten lines:
//
//	func TestCollidingBackups(t *testing.T) {
//		lab.Test(t, lab.Text("collide", `
//	load: [bank: {clients: 4, accounts: 8, shards: 6, replication: 2, pace: 20ms}]
//	do:
//	  - at 1s: [backup a on coordinator-1, backup b on coordinator-2]
//	  - when a|b is "cut" on dbserver-2: cut its coordinator <-> dbserver-2
//	  - after both: heal
//	expect: [exactly one of a b, one instant, nothing left within 20s]
//	`), lab.Options{})
//	}
//
// [Test] makes its runs in the process of the test. [Run] makes each run in a child process, several at once: a
// program that calls it has to call [Main] first.
//
// The package is experimental: names may change until the fault lab is finished.
package lab

import (
	"context"
	"time"

	"stasis/lab/runner"
	"stasis/lab/verdict"
)

// Main makes the one run that this process was started for, if it was, and does not return then. It has to be the
// first thing that the main function of a program does which calls [Run], or TestMain.
func Main() {
	if runner.IsChild() {
		runner.Child()
	}
}

// Report is what the runs have shown.
type Report struct {
	Results []runner.Result `json:"runs"`
	Summary runner.Summary  `json:"summary"`
}

// Run makes runs of scenarios in child processes. A scenario that the world cannot play is an error before anything
// is started. If ctx ends, the report has the runs that were made, and the error is that of ctx.
func Run(ctx context.Context, scenarios []Scenario, o Options) (Report, error) {
	jobs, err := jobs(scenarios, o)
	if err != nil {
		return Report{}, err
	}
	begun := time.Now()
	results, err := runner.Run(ctx, jobs, runner.Options{
		Program: o.Program, Parallel: o.Parallel, Timeout: o.Timeout, Out: o.Out, Keep: o.Keep, Done: o.Done, Log: o.Log,
	})
	return Report{Results: results, Summary: runner.Summarize(results, time.Since(begun))}, err
}

// Outcome is the worst of all runs. Without locks a violation is none, but what the checks can see.
func (r Report) Outcome() verdict.Outcome { return r.Summary.Outcome() }
