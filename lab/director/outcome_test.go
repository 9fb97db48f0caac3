package director

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/lab/scenario"
	"stasis/lab/scenarios"
	"stasis/lab/verdict"
)

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test", []byte(text))
	require.NoError(t, err)
	return s
}

// Shipped scenarios pass with the real judge: every backup of theirs was judged whole, and every fault was met. The others, and other
// seeds, are the matter of `make lab`.
func TestShippedScenariosPass(t *testing.T) {
	for _, name := range []string{"colliding-backups", "lease-expiry-slow-disk"} {
		t.Run(name, func(t *testing.T) {
			s, err := scenarios.Load(name)
			require.NoError(t, err)
			v := stand{seed: 1}.play(t, s)
			require.Equal(t, verdict.Passed, v.Outcome, v.Reason)
			require.Positive(t, v.Straddling)
			require.Positive(t, v.AtCuts)
			for _, f := range v.Faults {
				require.Positive(t, f.Overlaps, f.Text)
			}
			judged, restored := 0, 0
			for _, b := range v.Backups {
				if b.Error != "" {
					continue
				}
				require.True(t, b.Checked, b.Label)
				require.Empty(t, b.Unknown, b.Label)
				judged++
				if b.RTO > 0 {
					restored++
				}
			}
			require.Positive(t, judged)
			require.Equal(t, 1, restored)
		})
	}
}

// A run in which nothing is wrong shows nothing if its faults missed, if too little happened, or if a backup could not be judged whole.
// Each reason is named.
func TestVacuous(t *testing.T) {
	s := parse(t, `
cluster: {agents: 1, dbservers: 2, coordinators: 2}
load: [bank: {clients: 1, accounts: 2, shards: 2, replication: 1, pace: 5s}]
do:
  - at 100ms: [backup a on coordinator-1, fail disk of dbserver-1 at mkdirs after 1000000]
  - when a is "undoing": cut coordinator-1 <-> dbserver-1
expect: [a succeeds]
`)
	v := stand{seed: 1, judge: func(p pieces) judge { p.plans.Stop(); return p }}.play(t, s)
	require.Equal(t, verdict.Vacuous, v.Outcome)
	require.Empty(t, v.Violations)
	for _, why := range []string{
		"mkdirs after 1000000` was never met", "was never done: the step it aimed at was not reached",
		"no operation straddled the scenario's own backups", "a could not be judged whole: Plan: the agency's log was followed",
	} {
		require.Contains(t, v.Reason, why)
	}
}

// An action that follows in its step when the operation has gone on by itself is none at the step: a server is not asked for so long for its cut,
// while the backup tries again.
func TestActionAfterTheStep(t *testing.T) {
	s := parse(t, `
cluster: {agents: 1, dbservers: 2, coordinators: 2}
do:
  - at 100ms: backup a on coordinator-1 timeout 2m
  - when a is "cut fixed" on dbserver-1: [delay coordinator-2 -> dbserver-1 by 1ms, wait 40s, delay coordinator-2 -> dbserver-2 by 1ms]
`)
	v := stand{seed: 1}.play(t, s)
	require.Equal(t, verdict.Vacuous, v.Outcome)
	require.Empty(t, v.Violations)
	require.Len(t, v.Faults, 2)
	for i, want := range []int{1, 0} {
		require.Equal(t, 1, v.Faults[i].Injected)
		require.Equal(t, 1, v.Faults[i].Met)
		require.Equal(t, want, v.Faults[i].Overlaps, v.Faults[i].Text)
	}
	require.Contains(t, v.Reason, "dbserver-2 by 1ms` missed the step it aimed at")
}

// How often a fault was there decides whether it shows something.
func TestMissed(t *testing.T) {
	for _, c := range []struct {
		fault verdict.Fault
		want  string
	}{
		{verdict.Fault{Injected: 1, Met: 1}, ""},
		{verdict.Fault{Aimed: "cut", Injected: 2, Met: 1, Overlaps: 1}, ""},
		{verdict.Fault{}, "was never done: its moment did not come"},
		{verdict.Fault{Aimed: "cut"}, "was never done: the step it aimed at was not reached"},
		{verdict.Fault{Injected: 1, Refused: 1, Why: "no room"}, "was refused: no room"},
		{verdict.Fault{Injected: 2, Refused: 1, Met: 1, Why: "no room"}, ""},
		{verdict.Fault{Aimed: "cut", Injected: 1, Met: 1}, "missed the step it aimed at"},
		{verdict.Fault{Injected: 1}, "was never met"},
	} {
		require.Equal(t, c.want, missed(c.fault))
	}
}

// experiment is a load that a cut at two moments tears: transfers go on, and the servers' cuts are 100 ms apart. A part of the clients
// asks the other coordinator: writes by the slow link alone would be as late as the cut, and nothing would be torn.
const experiment = `
cluster: {agents: 1, dbservers: 3, coordinators: 2, latency: 0.1ms..1ms}
load: [bank: {clients: 6, accounts: 12, shards: 6, replication: 1, pace: 8ms}]
do:
  - at 100ms: delay coordinator-1 -> dbserver-2 by 100ms
  - at 200ms: backup a on coordinator-1
  - after a: heal
expect: [none of a]
`

// checks are the names of the checks whose violations a verdict has, and the lines of expectations.
func checks(v verdict.Verdict) (all []string) {
	for _, one := range v.Violations {
		name := one.Check
		if one.Line > 0 {
			name = fmt.Sprint("line ", one.Line)
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// The experiment behind the promise. With the gates nothing is wrong but an expectation, which is violated; the same run without
// them shows within a few seeds that the backup is no instant.
func TestViolated(t *testing.T) {
	v := stand{seed: 1}.play(t, parse(t, experiment))
	require.Equal(t, verdict.Violated, v.Outcome)
	require.Equal(t, []string{"line 8"}, checks(v))
	for seed := range uint64(5) {
		v := stand{seed: seed + 1, mode: client.LockModeNone}.play(t, parse(t, experiment))
		require.Equal(t, verdict.Violated, v.Outcome)
		require.Subset(t, []string{"one instant", "line 8"}, checks(v), "what is torn is the instant, and nothing else")
		if slices.Contains(checks(v), "one instant") {
			return
		}
	}
	t.Fatal("five runs without gates showed nothing: the checks see nothing")
}

// What a world cannot play is broken, and says why.
func TestBroken(t *testing.T) {
	v := stand{seed: 1}.play(t, parse(t, "worlds: [processes]\n"+experiment))
	require.Equal(t, verdict.Broken, v.Outcome)
	require.Contains(t, v.Reason, "processes")
	require.Empty(t, v.Backups)
}
