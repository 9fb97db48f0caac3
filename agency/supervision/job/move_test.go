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

// steps is the shard's servers in Plan after each change, with the term.
func (c *cluster) steps(shard string) (seen *[]string) {
	seen = new([]string)
	last := ""
	c.changed = func(_, _ *agencyclient.Node, _ job.Decision) {
		now := fmt.Sprint(c.term(shard), " ", strings.Join(c.planned(shard), " "))
		now = strings.ReplaceAll(now, "PRMR-", "")
		if now != last {
			*seen, last = append(*seen, now), now
		}
	}
	return seen
}

// A leader moves in the order of the contract, and only when the next one has
// everything and the last one has stopped.
func TestMoveOfALeader(t *testing.T) {
	c := three(t, 4)
	seen := c.steps("s1")
	c.servers["PRMR-4"].up = false
	id := c.move("s1", "PRMR-1", "PRMR-4", true)
	c.run(20)
	require.Equal(t, []string{"1 1 2 3 4"}, *seen, "PRMR-4 has nothing yet")
	c.servers["PRMR-4"].up = true
	c.run(10)
	require.Equal(t, []string{"1 1 2 3 4", "1 _1 2 3 4", "2 4 2 3 1", "2 4 2 3"}, *seen)
	c.requireIn("Finished", id)
	c.requireQuiet()
}

func TestMoveOfAFollower(t *testing.T) {
	c := three(t, 4)
	seen := c.steps("s1")
	id := c.move("s1", "PRMR-2", "PRMR-4", false)
	c.run(5)
	require.Equal(t, []string{"1 1 2 3 4", "1 1 3 4"}, *seen)
	c.requireIn("Finished", id)
	c.requireQuiet()
}

// Leadership moves to a follower without a replica being made or lost.
func TestMoveOfLeadershipOnly(t *testing.T) {
	c := three(t, 3)
	seen := c.steps("s1")
	id := c.todo(keys.Job{
		Type: keys.JobMoveShard, Database: db, Collection: cid, Shard: "s1",
		FromServer: "PRMR-1", ToServer: "PRMR-3", IsLeader: true, RemainsFollower: true,
	})
	c.run(5)
	require.Equal(t, []string{"1 1 2 3", "1 _1 2 3", "2 3 2 1"}, *seen)
	c.requireIn("Finished", id)
	c.requireQuiet()
}

// A move that cannot be made fails at once and says why.
func TestImpossibleMovesFail(t *testing.T) {
	c := three(t, 5)
	c.set(keys.CleanedServers, []string{"PRMR-4"})
	c.judge("PRMR-5", keys.StatusFailed)
	for _, m := range []struct {
		shard, from, to string
		leader          bool
		reason          string
	}{
		{"s9", "PRMR-1", "PRMR-4", true, "no such shard"},
		{"s1", "PRMR-1", "PRMR-1", true, "one server"},
		{"s1", "PRMR-1", "PRMR-4", true, "cleaned out"},
		{"s1", "PRMR-1", "PRMR-5", true, "FAILED"},
		{"s1", "PRMR-1", "PRMR-9", true, "not a DB server"},
		{"s1", "PRMR-9", "PRMR-2", false, "no replica"},
		{"s1", "PRMR-2", "PRMR-3", true, "does not lead"},
		{"s1", "PRMR-2", "PRMR-3", false, "already"},
		{"s1", "PRMR-1", "PRMR-3", false, "leads it"},
	} {
		id := c.move(m.shard, m.from, m.to, m.leader)
		c.work()
		require.Contains(t, c.requireIn("Failed", id).Reason, m.reason)
	}
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
	c.requireQuiet()
}

// movePhases are the points at which something happens to a move of the leader
// from PRMR-1 to PRMR-4: what Plan says there, and how a cluster gets there.
var movePhases = []string{"1 1 2 3 4", "1 _1 2 3 4", "2 4 2 3 1"}

// at brings a cluster to a phase of such a move.
func at(t *testing.T, phase string) (*cluster, string) {
	c := three(t, 4)
	seen := c.steps("s1")
	id := c.move("s1", "PRMR-1", "PRMR-4", true)
	for range 20 {
		if n := len(*seen); n > 0 && (*seen)[n-1] == phase {
			return c, id
		}
		c.now = c.now.Add(time.Second)
		c.serve()
		c.decide(c.memory, c.root())
	}
	require.Fail(t, "phase not reached", "%s: %v", phase, *seen)
	return nil, ""
}

// At whatever point a server of a move dies, the move ends, the shard has a leader
// and its replicas, and nothing is locked.
func TestMoveSurvivesDeaths(t *testing.T) {
	for _, phase := range movePhases {
		for _, dies := range []string{"PRMR-1", "PRMR-2", "PRMR-4"} {
			t.Run(phase+" "+dies, func(t *testing.T) {
				c, id := at(t, phase)
				c.kill(dies)
				c.run(2)
				c.fails(dies)
				c.run(60)
				queue, _ := c.where(id)
				require.Contains(t, []string{"Finished", "Failed"}, queue)
				c.requireServed("s1", 3, dies)
				c.start(dies)
				c.judge(dies, keys.StatusGood)
				c.run(60)
				c.requireServed("s1", 3)
				c.requireQuiet()
			})
		}
	}
}

// requireServed demands a leader that serves in the planned term, and in-sync
// replicas, as many as wanted, on none of the dead.
func (c *cluster) requireServed(shard string, factor int, dead ...string) {
	r, planned := c.report(shard), c.planned(shard)
	require.Len(c.t, planned, factor, "%s", c.story())
	require.ElementsMatch(c.t, planned, r.Servers, "%s", c.story())
	require.Equal(c.t, planned[0], r.Servers[0])
	require.EqualValues(c.t, c.term(shard), r.Term)
	for _, id := range dead {
		require.NotContains(c.t, planned, id)
	}
}

// Up to the point at which the new leader is named, a move can be aborted: then
// everything is as before, in the same term.
func TestMoveIsAborted(t *testing.T) {
	for _, phase := range movePhases[:2] {
		t.Run(phase, func(t *testing.T) {
			c, id := at(t, phase)
			c.set(keys.TargetPending+"/"+id+"/abort", true)
			c.run(3)
			require.Equal(t, "it was aborted", c.requireIn("Failed", id).Reason)
			require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
			require.EqualValues(t, 1, c.term("s1"))
			c.requireServed("s1", 3)
			c.requireQuiet()
		})
	}
	t.Run("to do", func(t *testing.T) {
		c := three(t, 4)
		id := c.move("s1", "PRMR-1", "PRMR-4", true)
		c.set(keys.TargetToDo+"/"+id+"/abort", true)
		c.work()
		c.requireIn("Failed", id)
		require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
	})
}

// Each wait of a move has an end, with a reason.
func TestMoveTimesOut(t *testing.T) {
	t.Run("copy", func(t *testing.T) {
		c := three(t, 4)
		c.servers["PRMR-4"].up = false
		id := c.move("s1", "PRMR-1", "PRMR-4", true)
		c.work()
		c.now = c.now.Add(3*time.Hour + time.Second)
		c.work()
		require.Equal(t, "PRMR-4 has not come into sync within 3h0m0s", c.requireIn("Failed", id).Reason)
		require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
	})
	t.Run("resign", func(t *testing.T) {
		c, id := at(t, movePhases[1])
		c.work()
		c.now = c.now.Add(61 * time.Second)
		c.work()
		require.Equal(t, "PRMR-1 has not stopped leading within 1m0s", c.requireIn("Failed", id).Reason)
		require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
	})
	t.Run("begin", func(t *testing.T) {
		c, id := at(t, movePhases[2])
		c.work()
		c.now = c.now.Add(61 * time.Second)
		c.work()
		require.Equal(t, "PRMR-4 has not begun to serve term 2 within 1m0s", c.requireIn("Failed", id).Reason)
	})
	t.Run("lock", func(t *testing.T) {
		c := three(t, 5)
		c.servers["PRMR-4"].up = false
		first := c.move("s1", "PRMR-1", "PRMR-4", true)
		id := c.move("s1", "PRMR-2", "PRMR-5", false)
		c.work()
		c.now = c.now.Add(time.Hour + time.Second)
		c.work()
		c.requireIn("Pending", first)
		require.Equal(t, "it could not begin within 1h0m0s: job "+first+" has the lock of the shard", c.requireIn("Failed", id).Reason)
	})
}

// While an operation waits for the agency lock, a move that copies is set back with
// its replica still in Plan, and goes on after the thaw; one that is about to
// change the leader ends first.
func TestMoveMakesWayForTheLock(t *testing.T) {
	for _, phase := range movePhases {
		t.Run(phase, func(t *testing.T) {
			c, id := at(t, phase)
			c.servers["PRMR-4"].up = phase != movePhases[0]
			c.serve()
			c.must(agencyclient.Tx{Ops: map[string]any{keys.HotBackupWaiting + "/n1": agencyclient.SetFor(keys.Holder{ID: "b1"}, 600*time.Second)}})
			c.run(10)
			require.Zero(t, c.root().At(keys.TargetPending).Len())
			if phase == movePhases[0] {
				c.requireIn("ToDo", id)
				require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3", "PRMR-4"}, c.planned("s1"), "what is copied stays")
				c.requireServed3of4()
			}
			c.freeze("n1")
			plan := c.root().At(keys.Plan)
			c.servers["PRMR-4"].up = true
			c.run(30)
			require.True(t, plan == c.root().At(keys.Plan))
			c.must(agencyclient.Tx{Ops: map[string]any{keys.HotBackupWaiting + "/n1": agencyclient.Delete()}})
			c.thaw()
			c.run(10)
			c.requireIn("Finished", id)
			require.Equal(t, []string{"PRMR-4", "PRMR-2", "PRMR-3"}, c.planned("s1"))
			c.requireQuiet()
		})
	}
}

// A backup that links, whose cut Plan need not wait for, is what the next one waits for, and
// no job: so jobs go on. When the lock is free they make way.
func TestMoveBehindAThawedLock(t *testing.T) {
	c := three(t, 4)
	c.freeze("n1")
	c.must(agencyclient.Tx{Ops: map[string]any{
		keys.HotBackupThawed:          "2026-01-02T03:04:05Z",
		keys.HotBackupWaiting + "/n2": agencyclient.SetFor(keys.Holder{ID: "b2"}, 600*time.Second),
	}})
	id := c.move("s1", "PRMR-2", "PRMR-4", false)
	c.run(20)
	c.requireIn("Finished", id)
	require.ElementsMatch(t, []string{"PRMR-1", "PRMR-3", "PRMR-4"}, c.planned("s1"))
	c.thaw()
	id = c.move("s1", "PRMR-3", "PRMR-2", false)
	c.run(20)
	c.requireIn("ToDo", id)
}

func (c *cluster) requireServed3of4() {
	require.Equal(c.t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.report("s1").Servers)
}

// A move that was set back and is then aborted takes its replica with it.
func TestMoveSetBackAndAborted(t *testing.T) {
	c, id := at(t, movePhases[0])
	c.servers["PRMR-4"].up = false
	c.serve()
	c.must(agencyclient.Tx{Ops: map[string]any{keys.HotBackupWaiting + "/n1": agencyclient.SetFor(keys.Holder{ID: "b1"}, 5*time.Second)}})
	c.work()
	c.requireIn("ToDo", id)
	c.set(keys.TargetToDo+"/"+id+"/abort", true)
	c.work()
	c.requireIn("Failed", id)
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
}

// A server that has lost its replica gets another only when the leader has noticed: until
// then the report says that it has everything.
func TestLostReplicaIsNotCountedAsNew(t *testing.T) {
	c := three(t, 3)
	c.set(keys.PlanCollection(db, cid)+"/replicationFactor", 2)
	c.work()
	require.Equal(t, []string{"PRMR-1", "PRMR-2"}, c.planned("s1"))
	c.set(keys.PlanCollection(db, cid)+"/replicationFactor", 3)
	id := c.move("s1", "PRMR-2", "PRMR-3", false)
	c.work()
	require.Equal(t, []string{"PRMR-1", "PRMR-2"}, c.planned("s1"), "PRMR-1 reports PRMR-3 as in sync still")
	require.Equal(t, "PRMR-3 counts as in sync with a replica that it has lost", c.requireIn("ToDo", id).Reason)
	c.run(5)
	c.requireIn("Finished", id)
	c.requireServed("s1", 3)
}

// A move that is given up does not take back the one replica that surely has
// everything: its leader restarted in the middle of it.
func TestUndoLeavesTheLastTrustedReplica(t *testing.T) {
	c := newCluster(t, 2)
	seen := c.steps("s1")
	c.shard("s1", 1, "PRMR-1")
	c.run(3)
	c.write("s1")
	id := c.move("s1", "PRMR-1", "PRMR-2", true)
	for len(*seen) < 2 { // until PRMR-1 is asked to resign
		c.serve()
		c.decide(c.memory, c.root())
	}
	require.Equal(t, []string{"1 1 2", "1 _1 2"}, *seen)
	c.kill("PRMR-1") // which loses the end of its log
	c.start("PRMR-1")
	c.run(1)
	require.Equal(t, "PRMR-1 restarted before it stopped leading", c.requireIn("Failed", id).Reason)
	c.run(10)
	require.Equal(t, []string{"PRMR-1"}, c.planned("s1"), "one too many in the end")
	require.Equal(t, c.acked["s1"], c.servers["PRMR-1"].has["s1"], "%s", c.story())
}
