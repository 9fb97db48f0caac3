package job_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
)

// leaderChanges is what is decided about s1 when its leader has failed, and not done yet.
func leaderChanges(t *testing.T, c *cluster) job.Decision {
	t.Helper()
	c.kill("PRMR-1")
	c.fails("PRMR-1")
	for range 10 {
		decisions := job.Next(c.root(), c.memory, c.now, c.timeouts)
		for _, d := range decisions {
			if d.Step == event.ShardLeaderChanged {
				return d
			}
			c.apply(d.Tx)
		}
	}
	require.Fail(t, "no other leader is chosen")
	return job.Decision{}
}

// A leader is chosen by a tree that may be old when the choice is written. If anything
// has changed on which it rests, it comes to nothing.
func TestChoiceOfALeaderThatComesLate(t *testing.T) {
	for name, change := range map[string]func(c *cluster){
		"": func(*cluster) {},
		"the chosen one has left the in-sync set": func(c *cluster) {
			r := c.report("s1")
			r.Servers = []string{"PRMR-1", "PRMR-3"}
			c.set(keys.CurrentShard(db, cid, "s1"), r)
		},
		"the failed one has taken a lease": func(c *cluster) {
			c.must(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-1") + "/leases": agencyclient.Increment(1)}})
		},
		"Plan has other servers": func(c *cluster) { c.set(keys.PlanShard(db, cid, "s1"), []string{"PRMR-1", "PRMR-3"}) },
		"Plan has another term":  func(c *cluster) { c.set(keys.PlanTerm(db, cid, "s1"), 2) },
		"the chosen one is started again": func(c *cluster) {
			c.must(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-2") + "/rebootId": agencyclient.Increment(1)}})
		},
		"a job has the shard": func(c *cluster) { c.set(keys.ShardLocks+"/s1", "77") },
	} {
		t.Run(name, func(t *testing.T) {
			c := three(t, 3)
			d := leaderChanges(t, c)
			require.Equal(t, "PRMR-2", d.Server)
			change(c)
			require.Equal(t, name == "", c.apply(d.Tx), "the choice rests on what has changed")
		})
	}
}

// A server that stands in the report as in sync, and in Plan no more, has dropped its
// replica: it gets none again before the report is corrected, or it would count as having
// what it has not.
func TestWhoCountsAsInSyncGetsNoReplica(t *testing.T) {
	c := three(t, 4)
	c.set(keys.PlanShard(db, cid, "s1"), []string{"PRMR-1", "PRMR-2"})
	c.kill("PRMR-4") // no other server is free
	c.judge("PRMR-4", keys.StatusFailed)
	require.Contains(t, c.report("s1").Servers, "PRMR-3", "it does not count as in sync")
	c.work()
	require.Equal(t, []string{"PRMR-1", "PRMR-2"}, c.planned("s1"), "who is in the report gets a replica")
	c.run(5)
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
	c.requireServed("s1", 3)
}
