package facts

import (
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
)

// treeOf is a tree with these values.
func treeOf(t *testing.T, machine *fsm.Machine, ops map[string]any) *fsm.Node {
	t.Helper()
	raw, err := agencyclient.Tx{Ops: ops}.Encode("")
	require.NoError(t, err)
	tx, err := fsm.ParseTransaction(raw)
	require.NoError(t, err)
	require.NotZero(t, machine.Apply(1, fsm.Command{Time: 1, Transactions: []fsm.Transaction{tx}})[0].Index)
	return machine.State().Root()
}

func planOf(name string, shards map[string][]string) keys.Collection {
	return keys.Collection{Name: name, ReplicationFactor: 2, Shards: shards, ShardTerms: map[string]uint64{"s1": 3, "s2": 1}}
}

func TestSnapshotIsSorted(t *testing.T) {
	none := "none"
	root := treeOf(t, fsm.New(10), map[string]any{
		keys.PlanDBServers:               map[string]any{"PRMR-3": none, "PRMR-1": none, "PRMR-2": none},
		keys.PlanCollection("db", "20"):  planOf("b", map[string][]string{"s9": {"PRMR-1"}, "s10": {"PRMR-2"}}),
		keys.PlanCollection("db", "10"):  planOf("a", map[string][]string{"s2": {"PRMR-1"}, "s1": {"_PRMR-2", "PRMR-1"}, "s0": {}}),
		keys.PlanCollection("aa", "99"):  planOf("c", map[string][]string{"s3": {"PRMR-1"}}),
		keys.PlanCollection("db", "30"):  "no collection",
		keys.TargetToDo:                  map[string]any{"10": keys.Job{Type: "x", Shard: "s1"}, "9": keys.Job{}, "9-2": keys.Job{ParentJob: "9"}, "9-10": keys.Job{ParentJob: "9"}, "8": "no job"},
		keys.TargetPending:               map[string]any{"7": keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-3", Shard: "s1"}},
		keys.TargetFailed:                map[string]any{"9-11": keys.Job{ParentJob: "9", Reason: "no"}},
		keys.ToBeCleaned:                 []string{"PRMR-1"},
		keys.CurrentMaintenance:          map[string]any{"PRMR-2": map[string]any{}},
		keys.ShardLocks + "/s1":          "7",
		keys.ServerLocks + "/PRMR-3":     []string{"7", "8"},
		keys.ServerHealth("PRMR-1"):      keys.HealthEntry{Status: keys.StatusGood},
		keys.HotBackupWaiting + "/nonce": keys.Holder{ID: "b"},
	})
	s := Read(root, &Cache{})
	require.Equal(t, []string{"PRMR-1", "PRMR-2", "PRMR-3"}, s.Servers)
	var shards, jobs []string
	for _, shard := range s.Shards {
		shards = append(shards, shard.Label())
	}
	require.Equal(t, []string{"s3 of aa/c", "s1 of db/a", "s2 of db/a", "s10 of db/b", "s9 of db/b"}, shards)
	for _, j := range s.Open() {
		jobs = append(jobs, j.Key())
	}
	todo := keys.TargetToDo + "/"
	require.Equal(t, []string{todo + "8", todo + "9", todo + "9-2", todo + "9-10", todo + "10", keys.TargetPending + "/7"}, jobs)
	require.Empty(t, s.ToDo[0].Record.Type, "what cannot be read has no type")
	require.NotEmpty(t, s.ToDo[0].Record.Reason)

	require.True(t, s.LockAwaited)
	require.False(t, s.Frozen)
	require.True(t, s.Good("PRMR-1") && s.Draining("PRMR-1") && s.InMaintenance("PRMR-2") && s.Resigning("PRMR-3"))
	require.False(t, s.Good("PRMR-2") || s.Draining("PRMR-2") || s.InMaintenance("PRMR-1") || s.Resigning("PRMR-1"))
	shard := s.Shard("s1")
	require.Equal(t, "PRMR-2", shard.Leader())
	require.True(t, shard.Resigned)
	require.EqualValues(t, 3, shard.Term)
	require.Equal(t, []string{"_PRMR-2", "PRMR-1"}, shard.Marked())
	require.Equal(t, []string{"PRMR-1", "PRMR-2"}, shard.LedBy("PRMR-1"))
	require.Equal(t, "7", s.ShardLockedBy(shard))
	require.Equal(t, "7, 8", s.ServerLockedBy("PRMR-3"))
	require.Len(t, s.OnShard(shard), 2)
	require.Len(t, s.Children("9"), 2)
	require.Len(t, s.FailedChildren("9"), 1)
	require.EqualValues(t, 12, s.NextChild("9"), "the number of an ended child is not used again")
}

// A collection is decoded again when its entry or a report has changed, and only then.
func TestCacheKeepsUnchangedCollections(t *testing.T) {
	machine, cache := fsm.New(10), &Cache{}
	ops := map[string]any{
		keys.PlanCollection("db", "1"): planOf("a", map[string][]string{"s1": {"PRMR-1"}}),
		keys.PlanCollection("db", "2"): planOf("b", map[string][]string{"s2": {"PRMR-1"}}),
	}
	was := Read(treeOf(t, machine, ops), cache)
	report := keys.CurrentShardReport{Servers: []string{"PRMR-1"}, Term: 3, Reboots: map[string]uint64{"PRMR-1": 1}}
	is := Read(treeOf(t, machine, map[string]any{keys.CurrentShard("db", "1", "s1"): report, keys.ServerKnown("PRMR-1"): keys.Known{RebootID: 1}}), cache)
	require.NotSame(t, was.Shard("s1"), is.Shard("s1"))
	require.Same(t, was.Shard("s2"), is.Shard("s2"))
	require.True(t, is.Shard("s1").Serves() && is.Trusted(is.Shard("s1"), "PRMR-1"))
	require.False(t, was.Shard("s1").Serves(), "a snapshot does not change")
	is = Read(treeOf(t, machine, map[string]any{keys.ServerKnown("PRMR-1"): keys.Known{RebootID: 2}, keys.PlanCollection("db", "2"): agencyclient.Delete()}), cache)
	require.False(t, is.Trusted(is.Shard("s1"), "PRMR-1"), "it was started since")
	require.Nil(t, is.Shard("s2"))
}
