package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab"
	"stasis/lab/runner"
)

// Vacuous runs are allowed as far as others have shown something.
func TestVacuousRunsThatAreAllowed(t *testing.T) {
	of := func(passed, vacuous int) runner.Count {
		return runner.Count{Runs: passed + vacuous, Passed: passed, Vacuous: vacuous}
	}
	for name, c := range map[string]struct {
		of               []runner.Count
		violated         int
		allow, allowSome bool
		want             error
	}{
		"all have passed":                    {of: []runner.Count{of(2, 0)}},
		"one is vacuous":                     {of: []runner.Count{of(1, 1)}, want: errVacuous},
		"one is, and that is allowed":        {of: []runner.Count{of(1, 0), of(0, 1)}, allow: true},
		"all are, and no run shows anything": {of: []runner.Count{of(0, 1), of(0, 1)}, allow: true, want: errVacuous},
		"some of each scenario":              {of: []runner.Count{of(1, 1), of(1, 1)}, allowSome: true},
		"all of one scenario":                {of: []runner.Count{of(2, 0), of(0, 2)}, allowSome: true, want: errVacuous},
		"one is violated":                    {of: []runner.Count{of(1, 1)}, violated: 1, allow: true, allowSome: true, want: errReported},
	} {
		t.Run(name, func(t *testing.T) {
			s := runner.Summary{Of: c.of, Violated: c.violated}
			for _, one := range c.of {
				s.Runs, s.Passed, s.Vacuous = s.Runs+one.Runs, s.Passed+one.Passed, s.Vacuous+one.Vacuous
			}
			v := labView{out: io.Discard, errOut: io.Discard, runs: s.Runs}
			require.Equal(t, c.want, v.judge(lab.Report{Summary: s}, c.allow, c.allowSome))
		})
	}
}
