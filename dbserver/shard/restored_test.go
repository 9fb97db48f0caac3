package shard

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
)

// twoReplicas are a leader with n records in its log, which it has committed up to some,
// and a follower that has the log up to another and has applied as much as it was told.
func twoReplicas(t *testing.T, n, committed, copied, applied int) (leader, follower *opened) {
	t.Helper()
	leader = open(t, vfs.NewMem(), &Clock{}, Retention{})
	follower = open(t, vfs.NewMem(), &Clock{}, Retention{})
	from, err := Create(leader.env, "s1")
	require.NoError(t, err)
	require.NoError(t, from.Lead(Tenure{3, 1}, undecided{}, false))
	for i := range n {
		_, err := from.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{
			{Kind: dbclient.OpInsert, Key: fmt.Sprint("k", i+1), Document: raw(`{}`)},
		}})
		require.ErrorContains(t, err, errPending.Error())
	}
	_, err = from.Commit(uint64(committed))
	require.NoError(t, err)
	to, err := Create(follower.env, "s1")
	require.NoError(t, err)
	bring(t, from, to, copied, applied)
	return leader, follower
}

// bring sends a follower the log up to a record, and says up to where it is committed.
func bring(t *testing.T, from, to *Shard, copied, applied int) {
	t.Helper()
	prev, records, ok, err := from.Log(to.State().Committed+1, 1<<20)
	require.NoError(t, err)
	require.True(t, ok)
	_, err = to.Accept(Batch{Tenure: Tenure{3, 1}, Prev: prev, Records: records[:copied-int(prev.Seq)], Commit: uint64(applied)})
	require.NoError(t, err)
}

// reopened is what an engine has after it was closed.
func (o *opened) reopened() *Shard {
	o.t.Helper()
	o.close()
	*o = *open(o.t, o.fs, &Clock{}, Retention{})
	s, err := Open(o.env, "s1")
	require.NoError(o.t, err)
	return s
}

// A record that the cluster had taken back before the cut, or that no leader ever
// committed, is not brought back by a restored replica, though its log had it.
func TestCertifiedReplicaHasWhatWasAcknowledgedAndNothingElse(t *testing.T) {
	leader, follower := twoReplicas(t, 8, 5, 8, 3)
	defer leader.close()
	at := Position{Tenure{3, 1}, 5}
	require.NoError(t, Certify(follower.env.Engine, "s1", at, true))
	s := follower.reopened()
	defer follower.close()
	require.Equal(t, at, s.State().Last)
	require.NoError(t, s.Lead(Tenure{4, 1}, solo{follower.env.Engine}, true))
	_, err := s.Commit(s.Seq())
	require.NoError(t, err)
	require.EqualValues(t, 5, s.State().Count)
	require.NoError(t, s.Check(t.Context()))
	require.Equal(t, "k6", one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k6", Document: raw(`{}`)}).Key, "it is not there")
}

// A replica that was behind knows it: what it has not applied goes, for it may be anything, and it does not lead before it has been brought up to the cut.
func TestReplicaThatWasBehindDoesNotLead(t *testing.T) {
	leader, follower := twoReplicas(t, 8, 8, 6, 3)
	defer leader.close()
	at := Position{Tenure{3, 1}, 8}
	require.NoError(t, Certify(follower.env.Engine, "s1", at, false))
	s := follower.reopened()
	defer follower.close()
	require.Equal(t, Position{Tenure{3, 1}, 3}, s.State().Last)
	require.ErrorContains(t, s.Lead(Tenure{4, 1}, undecided{}, false), "was behind at the cut")

	from, err := Open(leader.env, "s1")
	require.NoError(t, err)
	bring(t, from, s, 7, 7)
	require.ErrorContains(t, s.Lead(Tenure{4, 1}, undecided{}, false), "was behind at the cut")
	bring(t, from, s, 8, 8)
	require.NoError(t, s.Lead(Tenure{4, 1}, undecided{}, false))
}

// Nor does one that was being copied: what had come of the copy is not its own.
func TestReplicaThatWasBeingCopiedDoesNotLead(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	session, err := s.BeginCopy(Tenure{3, 1}, 1)
	require.NoError(t, err)
	require.NoError(t, s.AddCopy(CopyID{Tenure{3, 1}, 1, session}, []Entry{{Space: Documents, Key: "k", Value: storedDocument("k", 1)}}))
	at := Position{Tenure{3, 1}, 8}
	require.ErrorIs(t, Certify(o.env.Engine, "s1", at, true), ErrUncertified)
	require.NoError(t, Certify(o.env.Engine, "s1", at, false))
	s = o.reopened()
	defer o.close()
	require.Zero(t, s.State().Count)
	require.ErrorContains(t, s.Lead(Tenure{4, 1}, undecided{}, false), "was behind at the cut")
	copied(t, s, Tenure{4, 1}, 1, at)
	require.NoError(t, s.Lead(Tenure{5, 1}, undecided{}, false))
}

// Nor one that an earlier version was copying, in place.
func TestReplicaThatWasBeingCopiedInPlaceDoesNotLead(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	m := newMeta()
	m.promised, m.copying = Tenure{3, 1}, true
	require.NoError(t, s.r.st.storeMeta(m, false))
	at := Position{Tenure{3, 1}, 8}
	require.ErrorIs(t, Certify(o.env.Engine, "s1", at, true), ErrUncertified)
	require.NoError(t, Certify(o.env.Engine, "s1", at, false))
	s = o.reopened()
	defer o.close()
	require.True(t, s.State().Copying)
	require.Error(t, s.Lead(Tenure{4, 1}, undecided{}, false))
	_, err = s.Accept(Batch{Tenure: Tenure{4, 1}, Records: records(Tenure{4, 1}, 1, 1)})
	require.ErrorIs(t, err, ErrGap)
	copied(t, s, Tenure{4, 1}, 1, at)
	require.False(t, s.State().Copying)
	require.NoError(t, s.Lead(Tenure{5, 1}, undecided{}, false))
}

// copied brings a replica a copy of some documents that ends there.
func copied(t *testing.T, s *Shard, tenure Tenure, n uint64, last Position, keys ...string) {
	t.Helper()
	session, err := s.BeginCopy(tenure, n)
	require.NoError(t, err)
	id := CopyID{tenure, n, session}
	end := CopyEnd{State: State{Last: last, Count: uint64(len(keys))}}
	for _, key := range keys {
		e := Entry{Space: Documents, Key: key, Value: storedDocument(key, 1)}
		end.Sum += sumOf(e.Key, e.Value)
		end.State.Revision = revision(1)
		require.NoError(t, s.AddCopy(id, []Entry{e}))
	}
	require.NoError(t, s.EndCopy(id, end))
}

// What cannot have been in sync is not certified as that.
func TestUncertifiedReplicas(t *testing.T) {
	for name, at := range map[string]Position{
		"ends before":               {Tenure{3, 1}, 9},
		"another record is there":   {Tenure{2, 1}, 5},
		"more is applied":           {Tenure{3, 1}, 2},
		"nothing had been written":  {},
		"another tenure at the end": {Tenure{3, 2}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			leader, follower := twoReplicas(t, 8, 5, 8, 3)
			defer leader.close()
			defer follower.close()
			require.ErrorIs(t, Certify(follower.env.Engine, "s1", at, true), ErrUncertified)
			s, err := Open(follower.env, "s1")
			require.NoError(t, err)
			require.EqualValues(t, 8, s.Seq(), "nothing has changed")
		})
	}
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	require.ErrorIs(t, Certify(o.env.Engine, "s1", Position{}, true), ErrNoShard)
}

// What stands in a piece of a replica is what its engine has, with the tenure of the
// record at which the leader ended.
func TestReplicasOfAnEngine(t *testing.T) {
	leader, follower := twoReplicas(t, 8, 5, 7, 3)
	defer leader.close()
	defer follower.close()
	at, last := dbclient.Tenure{Term: 3, Reboot: 1}, dbclient.Position{Tenure: dbclient.Tenure{Term: 3, Reboot: 1}, Seq: 7}
	for seq, want := range map[uint64]*dbclient.Tenure{0: {}, 2: &at, 5: &at, 7: &at, 8: nil} {
		got, err := Replicas(follower.env.Engine, map[string]uint64{"s1": seq})
		require.NoError(t, err)
		require.Equal(t, map[string]dbclient.PieceReplica{"s1": {Last: last, Committed: 3, At: want}}, got, "%d", seq)
	}
	got, err := Replicas(follower.env.Engine, nil)
	require.NoError(t, err)
	require.Equal(t, dbclient.PieceReplica{Last: last, Committed: 3}, got["s1"])
}
