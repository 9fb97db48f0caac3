package job_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
)

// restored is a shard of three replicas that a restore has just put in place, which no server
// serves yet: these were in sync at the cut, if it is known who was.
func restored(t *testing.T, known bool, inSync ...string) *cluster {
	c := newCluster(t, 3)
	for _, s := range c.servers {
		s.up = false // so none of them reports
	}
	c.shard("s1", 3, "PRMR-1", "PRMR-2", "PRMR-3")
	c.set(keys.CurrentShard(db, cid, "s1"), keys.CurrentShardReport{
		Servers: inSync, Reboots: map[string]uint64{}, Restored: &keys.RestoredShard{BackupID: "b", Known: known, Seq: 7},
	})
	return c
}

// The planned leader of a restored shard fails before its first report: a server that was in
// sync at the cut takes its place, also if it was restarted since, and no other server does.
func TestRestoredLeaderIsSucceededByWhoWasInSync(t *testing.T) {
	c := restored(t, true, "PRMR-1", "PRMR-3")
	c.start("PRMR-3") // another process than the one that staged it
	c.servers["PRMR-3"].up = false
	c.fails("PRMR-1")
	c.work()
	require.Equal(t, []string{"PRMR-3", "PRMR-2", "PRMR-1"}, c.planned("s1"))
	require.EqualValues(t, 2, c.term("s1"))
}

func TestRestoredFollowerThatWasBehindNeverLeads(t *testing.T) {
	c := restored(t, true, "PRMR-1")
	c.fails("PRMR-1")
	c.run(1000)
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
	c.requireQuiet()
}

// The same for one that stands still, though it has not FAILED.
func TestRestoredLeaderThatStalls(t *testing.T) {
	c := restored(t, true, "PRMR-1", "PRMR-3")
	c.run(60)
	require.Equal(t, []string{"PRMR-3", "PRMR-1", "PRMR-2"}, sorted(c.planned("s1")))

	c = restored(t, true, "PRMR-1")
	c.run(60)
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, c.planned("s1"))
}

// sorted is a list whose followers are in order.
func sorted(servers []string) []string {
	if servers[1] > servers[2] {
		servers[1], servers[2] = servers[2], servers[1]
	}
	return servers
}

// Where it is not known who was in sync they have their turns: each leads only when it has
// heard all others.
func TestRestoredShardWithoutEvidence(t *testing.T) {
	c := restored(t, false, "PRMR-1", "PRMR-2", "PRMR-3")
	c.fails("PRMR-1")
	c.work()
	require.Equal(t, "PRMR-2", c.planned("s1")[0])
	require.Contains(t, c.story(), "the backup that was restored does not say who was in sync: it leads when it has heard all others")

	c = restored(t, false, "PRMR-1", "PRMR-2", "PRMR-3")
	c.run(60)
	require.NotEqual(t, "PRMR-1", c.planned("s1")[0], "its replica may be an unfinished copy")
}
