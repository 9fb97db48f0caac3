package runner

import (
	"slices"

	"stasis/lab/verdict"
)

// Power says what runs without locks have shown.
type Power string

// What is known about the power of the checks.
const (
	Shown  Power = "shown"  // so often as the scenario says, with a confidence of 95 %
	Open   Power = "open"   // it takes more runs
	Missed Power = "missed" // not so often, with the same confidence
)

// Shows is what the runs have shown. Without a bound one violation is enough.
func (p PowerSummary) Shows() Power {
	switch {
	case p.Low > p.Over && p.Found > 0:
		return Shown
	case p.High < p.Over:
		return Missed
	default:
		return Open
	}
}

// PowerShown reports whether all experiments without locks have shown what they should.
func (s Summary) PowerShown() bool {
	return !slices.ContainsFunc(s.Power, func(p PowerSummary) bool { return p.Shows() != Shown })
}

// AlwaysVacuous are the scenarios of which each run was vacuous.
func (s Summary) AlwaysVacuous() (names []string) {
	for _, c := range s.Of {
		if c.Runs > 0 && c.Vacuous == c.Runs {
			names = append(names, c.Scenario)
		}
	}
	return names
}

// Outcome is the worst of all runs. An experiment that shows less than its scenario says violates that; one
// that leaves it open is vacuous.
func (s Summary) Outcome() verdict.Outcome {
	worst := verdict.Passed
	if s.Vacuous > 0 {
		worst = verdict.Vacuous
	}
	for _, p := range s.Power {
		switch p.Shows() {
		case Missed:
			return verdict.Violated
		case Open:
			worst = verdict.Vacuous
		}
	}
	switch {
	case s.Violated > 0:
		return verdict.Violated
	case s.Broken > 0:
		return verdict.Broken
	}
	return worst
}
