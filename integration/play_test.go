package integration

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/lab"
	"stasis/lab/runner"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// play plays scenarios of the lab. Each run has a process of its own, so that several run at once. Without locks a
// violation is what is asked for; otherwise every run has to be good, and its faults have to have happened.
func play(t *testing.T, o lab.Options, scenarios ...lab.Scenario) []runner.Result {
	t.Helper()
	o.Parallel, o.Timeout, o.Out = 2, 8*time.Minute, t.ArtifactDir()
	if o.World == world.Processes {
		program, err := binary()
		require.NoError(t, err)
		o.Program = program
	}
	report, err := lab.Run(t.Context(), scenarios, o)
	require.NoError(t, err)
	for _, r := range report.Results {
		switch {
		case r.Verdict.Outcome == verdict.Vacuous && met(r.Verdict) && judged(r.Verdict): // what its faults show it shows
			t.Log(r.Verdict.Reason)
		case r.Verdict.Outcome == verdict.Passed, o.LockMode == client.LockModeNone && r.Verdict.Outcome == verdict.Violated:
			t.Logf("%s, seed %d: %s, %v virtual, %v real", r.Job.Scenario, r.Job.Seed, r.Verdict.Outcome, r.Verdict.Virtual, r.Verdict.Real)
		default:
			t.Error(r.Report())
		}
	}
	return report.Results
}

// judged says whether each backup of a run that there is was judged whole.
func judged(v verdict.Verdict) bool {
	return !slices.ContainsFunc(v.Backups, func(b verdict.Backup) bool { return b.ID != "" && !b.Checked })
}

// met says whether each fault of a run has happened, at the step that it aimed at.
func met(v verdict.Verdict) bool {
	for _, f := range v.Faults {
		if f.Met == 0 || f.Aimed != "" && f.Overlaps == 0 {
			return false
		}
	}
	return len(v.Faults) > 0
}
