package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/lab"
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
	violated := 0
	for _, r := range results {
		if r.Verdict.Outcome == verdict.Violated {
			t.Log(r.Verdict.Violations[0])
			violated++
		}
	}
	t.Logf("%d of %d runs without locks have backups that are no single instant", violated, len(results))
	require.Positive(t, violated)
}
