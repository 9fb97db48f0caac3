package job_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/agency/supervision/job"
)

// The same tree gives the same decisions in the same order, every time: no decision depends on
// the order of a Go map.
func TestDecisionsAreRepeatable(t *testing.T) {
	c := newCluster(t, 6)
	for i := range 12 {
		c.shard(fmt.Sprintf("s%d", i), 3, name(i%6+1), name((i+1)%6+1), name((i+2)%6+1))
	}
	c.run(3)
	for _, id := range []string{"PRMR-2", "PRMR-5"} {
		c.kill(id)
		c.fails(id)
	}
	c.todo(keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-3"})
	c.todo(keys.Job{Type: keys.JobCleanOutServer, Server: "PRMR-4"})
	c.set(keys.ReturnLeadership, map[string]any{"s0": "nonsense", "s1": "nonsense", "s2": "nonsense"})
	c.set(keys.ShardLocks, map[string]any{"s7": "77", "s8": "78", "s9": "79"})
	decide := func() (told []string) {
		for _, d := range job.Next(c.root(), job.NewMemory(nil), c.now, c.timeouts) {
			raw, err := d.Tx.Encode("")
			require.NoError(t, err)
			told = append(told, fmt.Sprintf("%s %s", d.Detail, raw))
		}
		return told
	}
	first := decide()
	require.GreaterOrEqual(t, len(first), 10)
	for range 20 {
		require.Equal(t, first, decide())
	}
}

// Each type of job that can be asked for has a planner.
func TestEveryTypeOfJobIsKnown(t *testing.T) {
	for _, kind := range []string{
		keys.JobFailedServer, keys.JobFailedLeader, keys.JobFailedFollower, keys.JobAddFollower, keys.JobRemoveFollower,
		keys.JobMoveShard, keys.JobCleanOutServer, keys.JobResignLeadership,
	} {
		c := three(t, 3)
		c.todo(keys.Job{Type: kind, Database: db, Collection: cid, Shard: "s1", Server: "PRMR-1", FromServer: "PRMR-1", ToServer: "PRMR-2"})
		c.work()
		require.NotContains(t, c.story(), "knows no job of type")
		require.Contains(t, c.story(), kind)
	}
}
