package certificate

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
)

// certified is a certificate of a shard on two servers, one of which may be behind, and
// the pieces that go with it.
func certified() (*Certificate, map[string]dbclient.Piece) {
	at := dbclient.Tenure{Term: 3, Reboot: 2}
	good := func() map[string]dbclient.PieceReplica {
		return map[string]dbclient.PieceReplica{"s1": {Last: dbclient.Position{Tenure: at, Seq: 10}, Committed: 10, At: &at}}
	}
	c := goodCertificate()
	c.Shards = map[string]dbclient.ShardStatement{"s1": {Shard: "s1", Term: 4, Last: dbclient.Position{Tenure: at, Seq: 10}, InSync: []string{"a", "b"}}}
	return c, map[string]dbclient.Piece{"a": {Replicas: good()}, "b": {Replicas: good()}}
}

// What each replica in a piece has is compared with what its leader stated: a follower may
// not have applied everything, and may have records that were taken back, but nothing else.
func TestReplicasInPiecesAreCompared(t *testing.T) {
	older := dbclient.Tenure{Term: 2, Reboot: 1}
	for name, c := range map[string]struct {
		change func(c *Certificate, r *dbclient.PieceReplica)
		good   bool
	}{
		"the same":                       {func(*Certificate, *dbclient.PieceReplica) {}, true},
		"has not applied everything":     {func(_ *Certificate, r *dbclient.PieceReplica) { r.Committed = 3 }, true},
		"has more, which was taken back": {func(_ *Certificate, r *dbclient.PieceReplica) { r.Last.Seq = 12 }, true},
		"has applied more":               {func(_ *Certificate, r *dbclient.PieceReplica) { r.Last.Seq, r.Committed = 12, 11 }, false},
		"ends before":                    {func(_ *Certificate, r *dbclient.PieceReplica) { r.Last.Seq, r.Committed, r.At = 9, 9, nil }, false},
		"has another record there":       {func(_ *Certificate, r *dbclient.PieceReplica) { r.At = &older }, false},
		"does not say what is there":     {func(_ *Certificate, r *dbclient.PieceReplica) { r.At = nil }, false},
		"unfinished copy":                {func(_ *Certificate, r *dbclient.PieceReplica) { r.Copying = true }, false},
		"none in sync":                   {func(c *Certificate, _ *dbclient.PieceReplica) { c.Shards["s1"] = dbclient.ShardStatement{Shard: "s1"} }, false},
		"one without a piece": {func(c *Certificate, _ *dbclient.PieceReplica) {
			st := c.Shards["s1"]
			st.InSync = append(st.InSync, "nowhere")
			c.Shards["s1"] = st
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cert, pieces := certified()
			r := pieces["b"].Replicas["s1"]
			c.change(cert, &r)
			pieces["b"].Replicas["s1"] = r
			require.Equal(t, c.good, len(cert.replicaProblems(pieces)) == 0, "%v", cert.replicaProblems(pieces))
		})
	}
	cert, pieces := certified()
	delete(pieces["b"].Replicas, "s1")
	require.Len(t, cert.replicaProblems(pieces), 1)
	require.Equal(t, cert.replicaProblems(pieces), slices.DeleteFunc(cert.PieceProblems(pieces), func(why string) bool { return !slices.Contains(cert.replicaProblems(pieces), why) }))
}

// Every shard of Plan has a statement of its leader, in its term.
func TestStatementsAreThoseOfPlan(t *testing.T) {
	planned := map[string]topology.Shard{"s1": {Database: "d", Collection: "1", Name: "s1", Servers: []string{"a", "b"}, Term: 4}}
	for name, c := range map[string]struct {
		change func(c *Certificate, st *dbclient.ShardStatement)
		good   bool
	}{
		"all":               {func(*Certificate, *dbclient.ShardStatement) {}, true},
		"another leader":    {func(_ *Certificate, st *dbclient.ShardStatement) { st.InSync = []string{"b", "a"} }, false},
		"another term":      {func(_ *Certificate, st *dbclient.ShardStatement) { st.Term = 3 }, false},
		"none":              {func(_ *Certificate, st *dbclient.ShardStatement) { st.InSync = nil }, false},
		"format 1 has none": {func(c *Certificate, _ *dbclient.ShardStatement) { c.Format = 1 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			cert, _ := certified()
			st := cert.Shards["s1"]
			c.change(cert, &st)
			cert.Shards["s1"] = st
			require.Equal(t, c.good, len(cert.PlanProblems(planned)) == 0, "%v", cert.PlanProblems(planned))
		})
	}
	cert, _ := certified()
	delete(cert.Shards, "s1")
	require.Len(t, cert.PlanProblems(planned), 1)
	cert.PotentiallyInconsistent = true
	require.Empty(t, cert.PlanProblems(planned))
	cert.Shards["s2"] = dbclient.ShardStatement{Shard: "s2", InSync: []string{"a"}}
	require.Len(t, cert.PlanProblems(planned), 1, "not in Plan")
}
