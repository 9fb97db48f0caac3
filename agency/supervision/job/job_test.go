package job_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// three is a cluster of some servers with one shard of three replicas in sync.
func three(t *testing.T, servers int) *cluster {
	c := newCluster(t, servers)
	c.shard("s1", 3, "PRMR-1", "PRMR-2", "PRMR-3")
	c.run(3)
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.report("s1").Servers)
	require.Empty(t, c.events)
	return c
}

// A leader fails: in the same pass a trusted follower leads in the next term, and the
// old leader follows, also after it has come back.
func TestFailedLeaderIsSucceeded(t *testing.T) {
	c := three(t, 3)
	c.shard("s2", 3, "PRMR-2", "PRMR-1", "PRMR-3") // so PRMR-3 leads fewer
	c.run(3)
	c.kill("PRMR-1")
	id := c.fails("PRMR-1")
	c.work()
	require.Equal(t, []string{"PRMR-3", "PRMR-2", "PRMR-1"}, c.planned("s1"))
	require.EqualValues(t, 2, c.term("s1"), "the next leader leads in the next term")
	require.Equal(t, []string{"PRMR-2", "PRMR-1", "PRMR-3"}, c.planned("s2"), "no other server is free")
	c.requireIn("Finished", id)
	child := c.requireIn("Finished", id+"-1")
	require.Equal(t, "PRMR-3", child.ToServer)
	require.Contains(t, child.Reason, "PRMR-1 is FAILED; it is in sync, and of PRMR-2, PRMR-3 it leads the fewest shards")
	c.requireQuiet()
	c.start("PRMR-1")
	c.judge("PRMR-1", keys.StatusGood)
	c.run(5)
	require.Equal(t, []string{"PRMR-3", "PRMR-2", "PRMR-1"}, c.planned("s1"))
	require.Equal(t, []string{"PRMR-3", "PRMR-2", "PRMR-1"}, c.report("s1").Servers)
	c.requireQuiet()
}

// A server that restarted since it was in sync does not lead while a trusted one may
// come back. It does when all of those have been away for long.
func TestOnlyTrustedServersSucceed(t *testing.T) {
	c := three(t, 3)
	c.kill("PRMR-2")
	c.start("PRMR-2")
	c.pause("PRMR-3")
	c.judge("PRMR-3", keys.StatusBad)
	c.kill("PRMR-1")
	c.fails("PRMR-1")
	c.work()
	require.Equal(t, "PRMR-1", c.planned("s1")[0], "PRMR-3 has everything and may come back")
	require.Equal(t, 1, strings.Count(strings.Join(c.events, "\n"), "no other can: only PRMR-3 has every write"))
	c.requireQuiet()
	for range 10 {
		c.work()
	}
	require.Equal(t, 1, strings.Count(strings.Join(c.events, "\n"), "no other can"), "it is told once")
	c.fails("PRMR-3")
	c.work()
	require.Equal(t, "PRMR-1", c.planned("s1")[0], "both have everything, and may only stand still")
	require.Contains(t, strings.Join(c.events, "\n"), "has every write, and is FAILED: it is waited for up to 15m")
	c.run(16 * 60)
	require.Equal(t, "PRMR-2", c.planned("s1")[0])
	c.requireQuiet()
}

// A follower out of sync never leads, however long its leader is away.
func TestOutOfSyncNeverLeads(t *testing.T) {
	c := newCluster(t, 2)
	c.shard("s1", 2, "PRMR-1", "PRMR-2")
	c.run(3)
	c.pause("PRMR-2")
	c.run(3)
	require.Equal(t, []string{"PRMR-1"}, c.report("s1").Servers)
	c.kill("PRMR-1")
	c.start("PRMR-2")
	c.fails("PRMR-1")
	c.run(1000)
	require.Equal(t, []string{"PRMR-1", "PRMR-2"}, c.planned("s1"))
	c.requireQuiet()
}

// A shard that no leader ever served may be led by any GOOD server of its plan.
func TestNeverServedShardMayBeLedByAnyone(t *testing.T) {
	c := newCluster(t, 3)
	c.servers["PRMR-1"].up = false
	c.shard("s1", 3, "PRMR-1", "PRMR-2", "PRMR-3")
	c.fails("PRMR-1")
	c.work()
	require.Equal(t, []string{"PRMR-2", "PRMR-3", "PRMR-1"}, c.planned("s1"))
}

// A recorded failure says nothing once the server has taken a lease after it: it may be
// serving, though no leader of the agency has noticed its heartbeat.
func TestFailureBeforeALeaseIsNone(t *testing.T) {
	for name, then := range map[string]func(*cluster){
		"lease taken again": func(c *cluster) {
			c.must(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-1") + "/leases": agencyclient.Increment(1)}})
		},
		"restarted": func(c *cluster) {
			c.must(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-1") + "/rebootId": agencyclient.Increment(1)}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := three(t, 3)
			c.pause("PRMR-1")
			c.fails("PRMR-1")
			old := c.root()
			then(c)
			c.work()
			require.Equal(t, "PRMR-1", c.planned("s1")[0])
			for range 5 { // nor does a supervision that has not seen it yet
				c.decide(c.memory, old)
			}
			require.Equal(t, "PRMR-1", c.planned("s1")[0])
		})
	}
}

// A leader that is alive but does not begin to serve is replaced after the grace
// period, if a trusted server can.
func TestStalledLeaderIsReplaced(t *testing.T) {
	c := three(t, 3)
	c.kill("PRMR-1")
	c.fails("PRMR-1")
	c.work()
	require.Equal(t, "PRMR-2", c.planned("s1")[0])
	for range 10 { // PRMR-2 stays GOOD and says nothing
		c.now = c.now.Add(time.Second)
		c.work()
		require.Equal(t, "PRMR-2", c.planned("s1")[0])
	}
	c.now = c.now.Add(2 * time.Second)
	c.work()
	require.Equal(t, []string{"PRMR-3", "PRMR-1", "PRMR-2"}, c.planned("s1"))
	require.EqualValues(t, 3, c.term("s1"))
	c.run(3)
	c.requireQuiet()
}

// A leader that restarted within its term and does not begin to serve again,
// because it cannot reach those who know what it may have lost, gives way to one of them.
func TestLeaderThatDoesNotServeAgainIsReplaced(t *testing.T) {
	c := three(t, 3)
	c.kill("PRMR-1")
	c.start("PRMR-1")
	c.pause("PRMR-1") // GOOD all the time, and says nothing of the shard
	for range 10 {
		c.now = c.now.Add(time.Second)
		c.work()
		require.Equal(t, "PRMR-1", c.planned("s1")[0])
	}
	c.now = c.now.Add(2 * time.Second)
	c.work()
	require.NotEqual(t, "PRMR-1", c.planned("s1")[0])
	require.EqualValues(t, 2, c.term("s1"))
	c.run(3)
	c.requireQuiet()
}

// A failed follower is replaced by the emptiest free server, once the leader has
// taken it out of the in-sync set, or has not within the grace period.
func TestFailedFollowerIsReplaced(t *testing.T) {
	c := three(t, 5)
	c.shard("s2", 3, "PRMR-4", "PRMR-2", "PRMR-1")
	c.run(3)
	c.kill("PRMR-3")
	c.fails("PRMR-3")
	c.work()
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"), "it still counts as in sync")
	c.serve()
	c.work()
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-5"}, c.planned("s1"))
	require.EqualValues(t, 1, c.term("s1"))
	c.run(3)
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-5"}, c.report("s1").Servers)
	c.requireQuiet()
}

// A leader that does not take a failed follower out of the in-sync set (it has
// nothing to write) delays its replacement by one grace period.
func TestIdleLeaderDelaysReplacement(t *testing.T) {
	c := three(t, 4)
	c.kill("PRMR-3")
	c.fails("PRMR-3")
	for range 11 {
		c.work()
		require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
		c.now = c.now.Add(time.Second)
	}
	c.work()
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-4"}, c.planned("s1"))
}

// Replicas missing are added, replicas too many are removed: never the leader,
// and first one that is out of sync.
func TestReplicationFactorIsKept(t *testing.T) {
	c := newCluster(t, 4)
	c.shard("s1", 3, "PRMR-2")
	c.run(3)
	require.Equal(t, []string{"PRMR-2", "PRMR-1", "PRMR-3"}, c.planned("s1"))
	c.kill("PRMR-1")
	c.judge("PRMR-1", keys.StatusBad)
	c.serve()
	c.set(keys.PlanCollection(db, cid)+"/replicationFactor", 2)
	c.run(2)
	require.Equal(t, []string{"PRMR-2", "PRMR-3"}, c.planned("s1"))
	c.set(keys.PlanCollection(db, cid)+"/replicationFactor", 1)
	c.run(2)
	require.Equal(t, []string{"PRMR-2"}, c.planned("s1"))
	c.requireQuiet()
}

// What a DB server in maintenance leaves undone is left undone, until its
// maintenance ends.
func TestServerInMaintenanceMayFail(t *testing.T) {
	c := three(t, 4)
	c.set(keys.CurrentMaintenance+"/PRMR-1", keys.ServerMaintenance{Mode: "maintenance", Until: "2030-01-01T00:00:00Z"})
	c.kill("PRMR-1")
	c.judge("PRMR-1", keys.StatusFailed)
	c.run(100)
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
	c.must(agencyclient.Tx{Ops: map[string]any{keys.CurrentMaintenance + "/PRMR-1": agencyclient.Delete()}})
	c.run(3)
	require.Equal(t, "PRMR-2", c.planned("s1")[0])
	require.NotContains(t, c.planned("s1"), "PRMR-1")
	c.requireQuiet()
}

// The report of a shard that was dropped while its leader was dead is removed.
func TestLostReportIsRemoved(t *testing.T) {
	c := three(t, 3)
	c.must(agencyclient.Tx{Ops: map[string]any{keys.PlanShard(db, cid, "s1"): agencyclient.Delete()}})
	c.work()
	require.True(t, c.root().At(keys.CurrentShard(db, cid, "s1")).Exists(), "its leader will do it")
	c.kill("PRMR-1")
	c.judge("PRMR-1", keys.StatusFailed)
	c.work()
	require.False(t, c.root().At(keys.CurrentShard(db, cid, "s1")).Exists())
	require.Equal(t, 1, c.root().At(keys.TargetFinished).Len())
}

// Ended jobs do not pile up: the newest are kept.
func TestEndedJobsAreBounded(t *testing.T) {
	c := three(t, 3)
	ended := map[string]any{}
	for i := range 600 {
		ended[keys.TargetFinished+"/"+string(rune('1'+i/100))+string(rune('0'+i/10%10))+string(rune('0'+i%10))] = keys.Job{Type: "x"}
	}
	c.must(agencyclient.Tx{Ops: ended})
	c.work()
	require.Equal(t, 500, c.root().At(keys.TargetFinished).Len())
	require.False(t, c.root().At(keys.TargetFinished+"/199").Exists())
	require.True(t, c.root().At(keys.TargetFinished+"/699").Exists())
}

// What is no job ends as one that failed; a lock that no job holds goes.
func TestNonsenseEnds(t *testing.T) {
	c := three(t, 3)
	c.set(keys.TargetToDo+"/1", "nonsense")
	c.set(keys.TargetToDo+"/2", keys.Job{Type: "paintTheServers"})
	c.set(keys.TargetPending+"/3", keys.Job{Type: keys.JobAddFollower})
	c.set(keys.ShardLocks+"/s1", "77")
	c.set(keys.ServerLocks+"/PRMR-1", []string{"77", "78"})
	c.run(2)
	for _, id := range []string{"1", "2", "3"} {
		c.requireIn("Failed", id)
	}
	c.requireQuiet()
}

// People read short names.
func TestEventsSayShortNames(t *testing.T) {
	c := three(t, 3)
	for id, short := range map[string]string{"PRMR-1": "DBServer0001", "PRMR-2": "DBServer0002"} {
		c.set(keys.ShortIDs+"/"+id, keys.ShortID{TransactionID: 1, ShortName: short})
	}
	c.kill("PRMR-1")
	id := c.fails("PRMR-1")
	c.work()
	reason := c.requireIn("Finished", id+"-1").Reason
	require.Equal(t, "DBServer0002 now leads s1 of db/books in term 2 because DBServer0001 is FAILED; it is in sync, and of DBServer0002, PRMR-3 it leads the fewest shards", reason)
	require.Contains(t, c.story(), reason)
}

// After a restore no leader has served a shard yet. If its leader cannot, because what it
// has was only being copied when the backup was made, the others have their turns.
func TestNeverServedShardGoesRound(t *testing.T) {
	c := newCluster(t, 3)
	for _, id := range []string{"PRMR-1", "PRMR-2", "PRMR-3"} {
		c.pause(id) // GOOD, and does not lead: what a copy does
	}
	c.shard("s1", 3, "PRMR-1", "PRMR-2", "PRMR-3")
	var led []string
	for range 60 {
		c.run(1)
		if now := c.planned("s1")[0]; len(led) == 0 || led[len(led)-1] != now {
			led = append(led, now)
		}
	}
	require.Subset(t, led, []string{"PRMR-1", "PRMR-2", "PRMR-3"})
	require.EqualValues(t, len(led), c.term("s1"))
}
