package lab

import (
	"errors"

	"stasis/client"
	"stasis/lab/director"
	"stasis/lab/runner"
	"stasis/lab/scenario"
	"stasis/lab/world"
)

// Count is how many runs [Run] makes. Its error is that of Run before anything is started.
func Count(scenarios []Scenario, o Options) (int, error) {
	all, err := jobs(scenarios, o)
	return len(all), err
}

// jobs are the runs that are asked for. Scenarios take turns, so that runs which are given up leave all of them tried.
func jobs(scenarios []Scenario, o Options) ([]runner.Job, error) {
	if len(scenarios) == 0 {
		return nil, errors.New("no scenario is given")
	}
	total := o.Total
	if total == 0 {
		total = len(scenarios) * max(o.Runs, 1)
	}
	var all []runner.Job
	for i := range total {
		of, err := jobsOf(scenarios[turn(i, total, len(scenarios), o.Seed)], max(o.Seed, 1)+uint64(i/len(scenarios)), o)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}

// turn is which scenario comes i-th. If there are fewer runs than scenarios, they are spread over all, and another
// seed takes others.
func turn(i, total, scenarios int, seed uint64) int {
	if total < scenarios {
		return (i*scenarios/total + int(max(seed, 1)-1)%scenarios) % scenarios
	}
	return i % scenarios
}

// jobsOf are the runs of one scenario with one seed.
func jobsOf(s Scenario, seed uint64, o Options) ([]runner.Job, error) {
	j, power, err := jobOf(s, seed, o)
	if err != nil {
		return nil, err
	}
	var all []runner.Job
	for range max(o.Repeat, 1) {
		all = append(all, j)
	}
	if !o.Power || power == nil || j.Unlocked() {
		return all, nil
	}
	j.LockMode, j.BreaksOver = client.LockMode(power.LockMode), power.BreaksOver
	return append(all, j), nil
}

// jobOf is a run of a scenario, and the experiment about it.
func jobOf(s Scenario, seed uint64, o Options) (j runner.Job, power *scenario.Power, err error) {
	j = runner.Job{Scenario: s.Name, World: o.World, Seed: seed, LockMode: o.LockMode}
	if j.World == "" {
		j.World = world.Bubble
	}
	if _, err := ParseWorld(string(j.World)); err != nil {
		return j, nil, err
	}
	if j.LockMode != "" {
		if err := j.LockMode.Check(); err != nil {
			return j, nil, err
		}
	}
	if j.Source, err = s.source(seed); err != nil {
		return j, nil, err
	}
	parsed, err := scenario.Parse(s.Name, j.Source)
	if err != nil {
		return j, nil, err
	}
	if parsed.Power != nil && j.Unlocked() {
		j.BreaksOver = parsed.Power.BreaksOver
	}
	return j, parsed.Power, director.Fits(parsed, j.World)
}
