package certificate

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// certified is a certificate of a shard on two servers, one of which may be behind, and
// the pieces that go with it.
func certified() (*Certificate, map[string]Piece) {
	at := Tenure{Term: 3, Reboot: 2}
	good := func() map[string]Replica {
		return map[string]Replica{"s1": {Last: Position{Tenure: at, Seq: 10}, Committed: 10, At: &at}}
	}
	c := goodCertificate()
	c.Shards = map[string]Statement{"s1": {Shard: "s1", Term: 4, Last: Position{Tenure: at, Seq: 10}, InSync: []string{"a", "b"}}}
	return c, map[string]Piece{"a": {Replicas: good()}, "b": {Replicas: good()}}
}

// What each replica in a piece has is compared with what its leader stated: a follower may
// not have applied everything, and may have records that were taken back, but nothing else.
func TestReplicasInPiecesAreCompared(t *testing.T) {
	older := Tenure{Term: 2, Reboot: 1}
	for name, c := range map[string]struct {
		change func(c *Certificate, r *Replica)
		good   bool
	}{
		"the same":                       {func(*Certificate, *Replica) {}, true},
		"has not applied everything":     {func(_ *Certificate, r *Replica) { r.Committed = 3 }, true},
		"has more, which was taken back": {func(_ *Certificate, r *Replica) { r.Last.Seq = 12 }, true},
		"has applied more":               {func(_ *Certificate, r *Replica) { r.Last.Seq, r.Committed = 12, 11 }, false},
		"ends before":                    {func(_ *Certificate, r *Replica) { r.Last.Seq, r.Committed, r.At = 9, 9, nil }, false},
		"has another record there":       {func(_ *Certificate, r *Replica) { r.At = &older }, false},
		"does not say what is there":     {func(_ *Certificate, r *Replica) { r.At = nil }, false},
		"unfinished copy":                {func(_ *Certificate, r *Replica) { r.Copying = true }, false},
		"none in sync":                   {func(c *Certificate, _ *Replica) { c.Shards["s1"] = Statement{Shard: "s1"} }, false},
		"one without a piece": {func(c *Certificate, _ *Replica) {
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
	planned := map[string]Shard{"s1": {Database: "d", Collection: "1", Name: "s1", Servers: []string{"a", "b"}, Term: 4}}
	for name, c := range map[string]struct {
		change func(c *Certificate, st *Statement)
		good   bool
	}{
		"all":               {func(*Certificate, *Statement) {}, true},
		"another leader":    {func(_ *Certificate, st *Statement) { st.InSync = []string{"b", "a"} }, false},
		"another term":      {func(_ *Certificate, st *Statement) { st.Term = 3 }, false},
		"none":              {func(_ *Certificate, st *Statement) { st.InSync = nil }, false},
		"format 1 has none": {func(c *Certificate, _ *Statement) { c.Format = 1 }, true},
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
	cert.Shards["s2"] = Statement{Shard: "s2", InSync: []string{"a"}}
	require.Len(t, cert.PlanProblems(planned), 1, "not in Plan")
}
