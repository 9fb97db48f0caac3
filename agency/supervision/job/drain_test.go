package job_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
)

// A server that is emptied ends empty and gets nothing new; what it led is led by
// others without a gap in the terms.
func TestCleanOut(t *testing.T) {
	c := newCluster(t, 4)
	for i := range 6 {
		c.shard(fmt.Sprintf("s%d", i), 2, name(i%3+1), name((i+1)%3+1))
	}
	c.run(3)
	id := c.todo(keys.Job{Type: keys.JobCleanOutServer, Server: "PRMR-1"})
	c.work()
	c.requireIn("Pending", id)
	require.Equal(t, `["PRMR-1"]`, c.root().At(keys.ToBeCleaned).String())
	c.run(30)
	c.requireIn("Finished", id)
	require.Equal(t, `["PRMR-1"]`, c.root().At(keys.CleanedServers).String())
	require.Equal(t, `[]`, c.root().At(keys.ToBeCleaned).String())
	for _, shard := range c.shards() {
		c.requireServed(shard, 2, "PRMR-1")
	}
	c.set(keys.PlanCollection(db, cid)+"/replicationFactor", 3)
	c.run(10)
	for _, shard := range c.shards() {
		c.requireServed(shard, 3, "PRMR-1")
	}
	c.requireQuiet()
}

// A clean-out that cannot succeed does not begin.
func TestCleanOutWithoutRoomFails(t *testing.T) {
	c := three(t, 3)
	id := c.todo(keys.Job{Type: keys.JobCleanOutServer, Server: "PRMR-1"})
	c.run(2)
	require.Contains(t, c.requireIn("Failed", id).Reason, "no other GOOD server is free for s1")
	require.Equal(t, `[]`, c.root().At(keys.ToBeCleaned).String())
}

// Aborted, or because its server or its targets fail, a clean-out ends with its
// children, and the server is as it was.
func TestCleanOutEndsEarly(t *testing.T) {
	for name, then := range map[string]func(c *cluster, id string){
		"aborted":     func(c *cluster, id string) { c.set(keys.TargetPending+"/"+id+"/abort", true) },
		"failed":      func(c *cluster, _ string) { c.kill("PRMR-1"); c.serve(); c.fails("PRMR-1") },
		"too long":    func(c *cluster, _ string) { c.now = c.now.Add(25 * time.Hour) },
		"target dies": func(c *cluster, _ string) { c.kill("PRMR-4"); c.fails("PRMR-4"); c.kill("PRMR-5"); c.fails("PRMR-5") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 5)
			for i := range 9 {
				c.shard(fmt.Sprintf("s%d", i), 3, among3(i), among3(i+1), among3(i+2))
			}
			c.run(3)
			c.servers["PRMR-4"].up, c.servers["PRMR-5"].up = false, false // nothing gets in sync there
			id := c.todo(keys.Job{Type: keys.JobCleanOutServer, Server: "PRMR-1"})
			c.work()
			c.requireIn("Pending", id)
			require.Equal(t, 9, c.root().At(keys.TargetPending).Len(), "four moves to each of the two, and the parent")
			then(c, id)
			c.run(100)
			if name == "target dies" { // nowhere to go: it says so, and waits for its end
				require.Contains(t, c.requireIn("Pending", id).Reason, "no other GOOD server is free")
				c.now = c.now.Add(time.Hour)
				c.run(2)
			}
			c.requireIn("Failed", id)
			require.Equal(t, `[]`, c.root().At(keys.ToBeCleaned).String())
			c.requireQuiet()
		})
	}
}

func among3(i int) string { return name(i%3 + 1) }

// Only moves to the same server are limited; the rest of a clean-out follows.
func TestMovesAtOnceAreBounded(t *testing.T) {
	c := newCluster(t, 2)
	for i := range 10 {
		c.shard(fmt.Sprintf("s%d", i), 1, "PRMR-1")
	}
	c.run(3)
	c.servers["PRMR-2"].up = false
	id := c.todo(keys.Job{Type: keys.JobCleanOutServer, Server: "PRMR-1"})
	c.work()
	require.Equal(t, 1+4, c.root().At(keys.TargetPending).Len())
	c.servers["PRMR-2"].up = true
	c.run(40)
	c.requireIn("Finished", id)
	c.requireQuiet()
}

// A server that resigns leads nothing for which another is in sync, and keeps its
// replicas.
func TestResignLeadership(t *testing.T) {
	c := newCluster(t, 3)
	c.shard("s1", 2, "PRMR-1", "PRMR-2")
	c.shard("s2", 2, "PRMR-1", "PRMR-3")
	c.shard("s3", 2, "PRMR-2", "PRMR-1")
	c.run(3)
	id := c.todo(keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-1"})
	c.run(10)
	c.requireIn("Finished", id)
	require.Equal(t, []string{"PRMR-2", "PRMR-1"}, c.planned("s1"))
	require.Equal(t, []string{"PRMR-3", "PRMR-1"}, c.planned("s2"))
	require.Equal(t, []string{"PRMR-2", "PRMR-1"}, c.planned("s3"))
	c.requireQuiet()
}

// A shard without a follower in sync keeps its leader.
func TestResignLeadershipLeavesWhatNoOtherCanLead(t *testing.T) {
	c := newCluster(t, 2)
	c.shard("s1", 2, "PRMR-1", "PRMR-2")
	c.run(3)
	c.pause("PRMR-2")
	c.run(3)
	id := c.todo(keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-1"})
	c.run(3)
	require.Equal(t, "1 shard has no follower that can lead, and keeps its leader", c.requireIn("Finished", id).Reason)
	require.Equal(t, []string{"PRMR-1", "PRMR-2"}, c.planned("s1"))
	c.requireQuiet()
}

// A server that resigns for a restart leads again when it has restarted and is in
// sync; not before, and not if it stays away.
func TestResignUntilRestart(t *testing.T) {
	resigned := func(t *testing.T) *cluster {
		c := three(t, 3)
		id := c.todo(keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-1", UndoMoves: true})
		c.run(10)
		c.requireIn("Finished", id)
		require.Equal(t, "PRMR-2", c.planned("s1")[0])
		c.run(100)
		require.Equal(t, "PRMR-2", c.planned("s1")[0], "it has not restarted")
		return c
	}
	t.Run("comes back", func(t *testing.T) {
		c := resigned(t)
		c.kill("PRMR-1")
		c.run(5)
		c.start("PRMR-1")
		c.run(10)
		require.Equal(t, "PRMR-1", c.planned("s1")[0])
		c.requireServed("s1", 3)
		c.requireQuiet()
		require.Zero(t, c.root().At(keys.ReturnLeadership).Len())
	})
	t.Run("stays away", func(t *testing.T) {
		c := resigned(t)
		c.kill("PRMR-1")
		c.run(1)
		c.now = c.now.Add(2*time.Hour + time.Second)
		c.run(1)
		require.Zero(t, c.root().At(keys.ReturnLeadership).Len(), "%s", c.story())
		c.start("PRMR-1")
		c.run(10)
		require.Equal(t, "PRMR-2", c.planned("s1")[0])
		c.requireQuiet()
	})
}

// Two servers that resign at once do not pass their shards to each other for ever.
func TestResignTogether(t *testing.T) {
	c := newCluster(t, 3)
	c.shard("s1", 2, "PRMR-1", "PRMR-2")
	c.shard("s2", 2, "PRMR-2", "PRMR-1")
	c.shard("s3", 2, "PRMR-2", "PRMR-3")
	c.run(3)
	first := c.todo(keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-1"})
	second := c.todo(keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-2"})
	c.run(20)
	c.requireIn("Finished", first)
	c.requireIn("Finished", second)
	require.Equal(t, "PRMR-3", c.planned("s3")[0])
	c.requireQuiet()
}

// A resignation of which no job knows is taken back.
func TestForgottenResignationIsTakenBack(t *testing.T) {
	c := three(t, 3)
	c.set(keys.PlanShard(db, cid, "s1"), []string{"_PRMR-1", "PRMR-2", "PRMR-3"})
	c.run(3)
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
	require.EqualValues(t, 1, c.term("s1"))
	c.requireServed("s1", 3)
}

// Jobs begin in the order of their numbers, not of their texts.
func TestJobsBeginInOrder(t *testing.T) {
	c := three(t, 4)
	c.set(keys.LatestID, 9)
	first := c.move("s1", "PRMR-1", "PRMR-4", true) // 10
	c.set(keys.TargetToDo+"/9", keys.Job{Type: keys.JobMoveShard, Database: db, Collection: cid, Shard: "s1", FromServer: "PRMR-3", ToServer: "PRMR-4"})
	c.work()
	c.requireIn("Pending", "9")
	c.requireIn("ToDo", first)
	require.Contains(t, c.story(), "job waits 10 : moveShard: job 9 has the lock of the shard")
}

// A clean-out makes way for an operation that waits for the agency lock: nothing of it stays
// pending, what it has copied stays, and it goes on after the thaw.
func TestCleanOutMakesWayForTheLock(t *testing.T) {
	c := newCluster(t, 3)
	for i := range 6 {
		c.shard(fmt.Sprintf("s%d", i), 1, "PRMR-1")
	}
	c.run(3)
	c.servers["PRMR-3"].up = false // half of the moves get stuck
	id := c.todo(keys.Job{Type: keys.JobCleanOutServer, Server: "PRMR-1"})
	c.run(1)
	c.requireIn("Pending", id)
	c.must(agencyclient.Tx{Ops: map[string]any{keys.HotBackupWaiting + "/n1": agencyclient.SetFor(keys.Holder{ID: "b1"}, time.Minute)}})
	c.run(10)
	require.Zero(t, c.root().At(keys.TargetPending).Len(), "%s", c.story())
	c.requireIn("ToDo", id)
	require.Equal(t, `["PRMR-1"]`, c.root().At(keys.ToBeCleaned).String(), "it still gets nothing new")
	c.freeze("n1")
	plan := c.root().At(keys.Plan)
	c.servers["PRMR-3"].up = true
	c.run(60)
	require.True(t, plan == c.root().At(keys.Plan))
	c.thaw()
	c.run(30)
	c.requireIn("Finished", id)
	require.Equal(t, `["PRMR-1"]`, c.root().At(keys.CleanedServers).String())
	for _, shard := range c.shards() {
		c.requireServed(shard, 1, "PRMR-1")
	}
	c.requireQuiet()
}

// Why a job waits is told once, also by several leaders of the agency: it stands on its record.
func TestWaitingIsToldOnce(t *testing.T) {
	c, first := at(t, movePhases[0])
	c.servers["PRMR-4"].up = false
	id := c.todo(keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-1"})
	c.set(keys.ServerLocks+"/PRMR-1", first)
	for range 30 {
		c.memory = job.NewMemory(nil)
		c.run(1)
	}
	require.Equal(t, 1, strings.Count(c.story(), "job waits "+id), "%s", c.story())
	require.Equal(t, "job "+first+" has the lock of PRMR-1", c.requireIn("ToDo", id).Reason)
}
