package runner

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stasis/lab/verdict"
)

// Summary is what several runs tell together.
type Summary struct {
	Runs     int             `json:"runs"`
	Passed   int             `json:"passed"`
	Vacuous  int             `json:"vacuous"`
	Violated int             `json:"violated"`
	Broken   int             `json:"broken"`
	Unlocked int             `json:"unlocked"` // runs without locks, which are none of these four unless they are broken, or violate what locks have no part in
	Outcomes int             `json:"outcomes"` // different ways in which runs ended
	Traces   int             `json:"traces"`   // different courses of events
	Repeats  RepeatSummary   `json:"repeats"`
	Of       []Count         `json:"of"` // each scenario
	Faults   []FaultSummary  `json:"faults,omitempty"`
	Backups  BackupSummary   `json:"backups"`
	Power    []PowerSummary  `json:"power,omitempty"`
	Why      []ReasonSummary `json:"why,omitempty"` // why runs were vacuous

	Operations int   `json:"operations"`
	Straddling int   `json:"straddling"`
	Speed      Speed `json:"speed"`
}

// Speed says how fast runs were made.
type Speed struct {
	Elapsed         time.Duration `json:"elapsed"`         // of all runs together, on this machine; in JSON nanoseconds
	CPU             time.Duration `json:"cpu"`             // that all runs have used
	RunsPerMinute   float64       `json:"runsPerMinute"`   // with so many at once as were asked for
	VirtualPerReal  float64       `json:"virtualPerReal"`  // seconds of the runs' clocks a second
	VirtualPerChild float64       `json:"virtualPerChild"` // the same, of one run alone
}

// Count counts the runs of one scenario with locks.
type Count struct {
	Scenario   string `json:"scenario"`
	Runs       int    `json:"runs"`
	Passed     int    `json:"passed"`
	Vacuous    int    `json:"vacuous"`
	Violated   int    `json:"violated"`
	Broken     int    `json:"broken"`
	Straddling int    `json:"straddling"` // operations that straddled a backup
}

// RepeatSummary says how often runs that were made more than once were the same.
type RepeatSummary struct {
	Runs int `json:"runs"` // that are made from a seed of which there was one before
	Same int `json:"same"` // of them with the trace of the first
}

// FaultSummary says how often a fault of a scenario happened.
type FaultSummary struct {
	Scenario string `json:"scenario"`
	Text     string `json:"text"`
	Runs     int    `json:"runs"`
	Injected int    `json:"injected"` // in so many runs, as the next two
	Met      int    `json:"met"`
	Overlaps int    `json:"overlaps"`
	Aimed    bool   `json:"aimed"` // it aims at a step, which it can miss
}

// PowerSummary says how often violations were found without locks: what the checks can see.
type PowerSummary struct {
	Scenario string  `json:"scenario"`
	Found    int     `json:"found"`
	Of       int     `json:"of"`
	Low      float64 `json:"low"` // the interval in which the part lies, with a confidence of 95 %
	High     float64 `json:"high"`
	Over     float64 `json:"over,omitempty"` // what the scenario says that the part is over; 0: nothing
}

// ReasonSummary counts runs with one reason.
type ReasonSummary struct {
	Scenario string `json:"scenario"`
	Reason   string `json:"reason"`
	Runs     int    `json:"runs"`
}

// Summarize puts results together that took so long on this machine.
func Summarize(results []Result, elapsed time.Duration) Summary {
	s := Summary{Runs: len(results), Speed: Speed{Elapsed: elapsed}}
	outcomes, traces, first := map[string]bool{}, map[string]bool{}, map[string]string{}
	var virtual, real time.Duration
	for _, r := range results {
		s.repeated(r, first)
		v := r.Verdict
		s.count(r)
		outcomes[class(r)], traces[r.Job.Scenario+v.Trace] = true, true
		virtual, real = virtual+v.Virtual, real+v.Real
		s.Speed.CPU += r.CPU
		s.Operations, s.Straddling = s.Operations+v.Operations, s.Straddling+v.Straddling
		for _, f := range v.Faults {
			s.fault(r, f)
		}
	}
	s.Outcomes, s.Traces = len(outcomes), len(traces)
	s.Backups = backups(results)
	if elapsed > 0 && real > 0 {
		s.Speed.RunsPerMinute = float64(s.Runs) / elapsed.Minutes()
		s.Speed.VirtualPerReal, s.Speed.VirtualPerChild = virtual.Seconds()/elapsed.Seconds(), virtual.Seconds()/real.Seconds()
	}
	for i := range s.Power {
		s.Power[i].Low, s.Power[i].High = interval(s.Power[i].Found, s.Power[i].Of)
	}
	return s
}

// count counts a run by its outcome. A run without locks is no test of the protocol but of the checks: a torn backup that it finds
// counts for the power. What else it finds is a violation, with or without locks.
func (s *Summary) count(r Result) {
	outcome := r.Verdict.Outcome
	if r.experiment() {
		p := s.powerOf(r.Job)
		p.Of++
		if outcome == verdict.Violated {
			p.Found++
		}
		s.Unlocked++
		return
	}
	c := s.countOf(r.Job.Scenario)
	c.Runs++
	c.Straddling += r.Verdict.Straddling
	switch outcome {
	case verdict.Passed:
		s.Passed++
		c.Passed++
	case verdict.Vacuous:
		s.Vacuous++
		c.Vacuous++
		s.why(r)
	case verdict.Violated:
		s.Violated++
		c.Violated++
	default:
		s.Broken++
		c.Broken++
	}
}

func (s *Summary) countOf(scenario string) *Count {
	i := slices.IndexFunc(s.Of, func(c Count) bool { return c.Scenario == scenario })
	if i < 0 {
		s.Of = append(s.Of, Count{Scenario: scenario})
		i = len(s.Of) - 1
	}
	return &s.Of[i]
}

// repeated compares a run with the first one of its seed.
func (s *Summary) repeated(r Result, first map[string]string) {
	before, again := first[r.Job.Command()]
	if !again {
		first[r.Job.Command()] = r.Verdict.Trace
		return
	}
	s.Repeats.Runs++
	if before == r.Verdict.Trace {
		s.Repeats.Same++
	}
}

func (s *Summary) powerOf(j Job) *PowerSummary {
	i := slices.IndexFunc(s.Power, func(p PowerSummary) bool { return p.Scenario == j.Scenario })
	if i < 0 {
		s.Power = append(s.Power, PowerSummary{Scenario: j.Scenario, Over: j.BreaksOver})
		i = len(s.Power) - 1
	}
	return &s.Power[i]
}

func (s *Summary) why(r Result) {
	i := slices.IndexFunc(s.Why, func(w ReasonSummary) bool {
		return w.Scenario == r.Job.Scenario && w.Reason == r.Verdict.Reason
	})
	if i < 0 {
		s.Why = append(s.Why, ReasonSummary{Scenario: r.Job.Scenario, Reason: r.Verdict.Reason})
		i = len(s.Why) - 1
	}
	s.Why[i].Runs++
}

func (s *Summary) fault(r Result, f verdict.Fault) {
	i := slices.IndexFunc(s.Faults, func(x FaultSummary) bool { return x.Scenario == r.Job.Scenario && x.Text == f.Text })
	if i < 0 {
		s.Faults = append(s.Faults, FaultSummary{Scenario: r.Job.Scenario, Text: f.Text, Aimed: f.Aimed != ""})
		i = len(s.Faults) - 1
	}
	x := &s.Faults[i]
	x.Runs++
	x.Injected += min(f.Injected, 1)
	x.Met += min(f.Met, 1)
	x.Overlaps += min(f.Overlaps, 1)
}

// class is the way in which a run ended: its outcome, what became of each backup, and what was violated.
func class(r Result) string {
	parts := []string{r.Job.Scenario, string(r.Verdict.Outcome)}
	for _, b := range r.Verdict.Backups {
		parts = append(parts, fmt.Sprint(b.Label, " ", b.ID != ""))
	}
	for _, v := range r.Verdict.Violations {
		parts = append(parts, v.Check)
	}
	return strings.Join(parts, "|")
}
