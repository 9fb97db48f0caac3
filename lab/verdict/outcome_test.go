package verdict

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A run that is violated and broken shows both, in whatever order it came to that; what it missed is not lost either.
func TestViolatedAndBroken(t *testing.T) {
	wrong := Violation{Check: "one instant", Text: "x"}
	violate, broke, miss := func(v *Verdict) { v.Violate(wrong) }, func(v *Verdict) { v.Break("no disk") }, func(v *Verdict) { v.Miss("too little happened") }
	for _, order := range [][]func(*Verdict){
		{violate, broke, miss}, {violate, miss, broke}, {broke, violate, miss}, {broke, miss, violate}, {miss, violate, broke}, {miss, broke, violate},
	} {
		v := Verdict{Outcome: Passed}
		for _, add := range order {
			add(&v)
		}
		require.Equal(t, Verdict{
			Outcome: Violated, Reason: "besides, the run could not be made to its end: no disk", Violations: []Violation{wrong}, Notes: []string{"too little happened"},
		}, v)
	}
}

// Each alone, twice, and nothing.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		add     func(*Verdict)
		outcome Outcome
		reason  string
	}{
		{func(v *Verdict) { v.Violate(); v.Miss() }, Passed, ""},
		{func(v *Verdict) { v.Violate(Violation{}) }, Violated, ""},
		{func(v *Verdict) { v.Break("a"); v.Break("b") }, Broken, "a; b"},
		{func(v *Verdict) { v.Miss("a", "b"); v.Miss("c") }, Vacuous, "a; b; c"},
		{func(v *Verdict) { v.Violate(Violation{}); v.Break("a"); v.Break("b") }, Violated, "besides, the run could not be made to its end: a; b"},
	} {
		v := Verdict{Outcome: Passed}
		c.add(&v)
		require.Equal(t, c.outcome, v.Outcome)
		require.Equal(t, c.reason, v.Reason)
	}
}
