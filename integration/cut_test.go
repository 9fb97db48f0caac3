package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/lab"
	"stasis/lab/runner"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// chained has writers whose document n+1 is never there without n, on one shard or across shards, of one writer or of
// several. One server's cut comes later than the others'.
var chained = lab.Text("backups under load", `
cluster: {agents: 3, dbservers: 3, coordinators: 2}
load: [chain: {clients: 6, shards: 6, replication: 1, pace: 4ms}]
do:
  - at 500ms: delay coordinator-1 -> dbserver-2 by 30ms
  - at 1s: backup a on coordinator-1
  - after a: backup b on coordinator-2
  - after b: backup c on coordinator-1
  - after c: heal
expect: [all of a b c, one instant, restored c within 60s, nothing lost]
power: {lockMode: none, breaks: "> 5%"}
`)

// Every backup taken under load is one instant between its call and its return, on real disks and with real processes. In bubbles
// the shipped scenarios show it.
func TestBackupsUnderLoadAreOneInstant(t *testing.T) {
	t.Parallel()
	for _, kind := range []world.Kind{world.InProcess, world.Processes} {
		t.Run(string(kind), func(t *testing.T) { play(t, lab.Options{World: kind, Runs: scale(1, 20)}, chained) })
	}
}

// The check is worth something: with the locks switched off the same scenario finds
// backups that are no single instant.
func TestWithoutLocksTheCheckFindsViolations(t *testing.T) {
	t.Parallel()
	results := play(t, lab.Options{LockMode: client.LockModeNone, Runs: scale(2, 40)}, chained)
	require.Positive(t, torn(t, results))
}

// Processes take backups without locks as users do. Whether a cut tears something there is a matter of real time; that no gate was
// asked for is not.
func TestProcessesCanDoWithoutLocks(t *testing.T) {
	t.Parallel()
	results := play(t, lab.Options{World: world.Processes, LockMode: client.LockModeNone}, lab.Text("a backup without locks", `
cluster: {agents: 1, dbservers: 2, coordinators: 1}
load: [chain: {clients: 4, shards: 4, replication: 1, pace: 4ms}]
lasts: 1s
do:
  - at 300ms: delay coordinator-1 -> dbserver-2 by 30ms
  - at 500ms: backup a on coordinator-1
  - after a: heal
expect: [a succeeds]
`))
	for _, r := range results {
		require.NotEmpty(t, r.Verdict.Backups)
		for _, b := range r.Verdict.Backups {
			require.NotEmpty(t, b.ID, b.Error)
			require.True(t, b.Knows(verdict.MeasureAttempts))
			require.Zero(t, b.Attempts, "a gate was asked for")
		}
	}
	torn(t, results)
}

// torn counts the runs that found a backup which is no single instant.
func torn(t *testing.T, results []runner.Result) (violated int) {
	for _, r := range results {
		if r.Verdict.Outcome == verdict.Violated {
			t.Log(r.Verdict.Violations[0])
			violated++
		}
	}
	t.Logf("%d of %d runs without locks have backups that are no single instant", violated, len(results))
	return violated
}
