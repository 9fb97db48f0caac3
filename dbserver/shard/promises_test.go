package shard

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
)

// records are n records of a tenure, numbered from first on.
func records(t Tenure, first uint64, n int) []Record {
	var all []Record
	for i := range n {
		r := Record{Tenure: t, Seq: first + uint64(i), Time: uint64(i + 1), Added: 1}
		key := "k" + t.String() + "-" + string(rune('a'+i))
		r.Changes = []Change{{Kind: Put, Key: key, Value: storedDocument(key, r.Time)}}
		all = append(all, r)
	}
	return all
}

// storedDocument is a document as it stands under its key.
func storedDocument(key string, time uint64) []byte {
	d, err := newDocument(key, "c", time, &object{})
	if err != nil {
		panic(err)
	}
	return d.encode()
}

// A follower takes nothing that leaves a hole in its log.
func TestGapIsRefused(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	tenure := Tenure{Term: 1, Reboot: 1}
	_, err = s.Accept(Batch{Tenure: tenure, Records: records(tenure, 1, 2)})
	require.NoError(t, err)
	before := s.State()
	st, err := s.Accept(Batch{Tenure: tenure, Prev: Position{tenure, 3}, Records: records(tenure, 4, 1)})
	require.ErrorIs(t, err, ErrGap, "there is a hole in its log")
	require.Equal(t, before, st)
	_, err = s.Accept(Batch{Tenure: tenure, Prev: Position{Tenure{Term: 1}, 2}, Records: records(tenure, 3, 1)})
	require.ErrorIs(t, err, ErrGap, "what is before it is another record")
}

// A leader says how far all replicas have come. What a follower has beyond the leader's
// records is of an earlier tenure, and may be taken back: it is not applied.
func TestOnlyTheLeadersRecordsAreApplied(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	first, second := Tenure{Term: 1, Reboot: 1}, Tenure{Term: 2, Reboot: 1}
	_, err = s.Accept(Batch{Tenure: first, Records: records(first, 1, 5)})
	require.NoError(t, err)
	st, err := s.Accept(Batch{Tenure: second, Prev: Position{first, 1}, Records: records(first, 1, 3)[1:], Commit: 5})
	require.NoError(t, err)
	require.EqualValues(t, 3, st.Committed, "records of a deposed leader are applied")
	st, err = s.Accept(Batch{Tenure: second, Prev: Position{first, 3}, Records: records(second, 4, 2), Commit: 5})
	require.NoError(t, err)
	require.EqualValues(t, 5, st.Committed)
	require.Equal(t, Position{second, 5}, st.Last)
}

// A promise outlives a power cut: a leader that was deposed by it is refused by the
// process that comes after.
func TestPromiseSurvivesAPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := openUnsynced(t, fs)
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	first, second := Tenure{Term: 1, Reboot: 1}, Tenure{Term: 2, Reboot: 1}
	_, err = s.Accept(Batch{Tenure: first, Records: records(first, 1, 1), Sync: true})
	require.NoError(t, err)
	_, err = s.Promise(second)
	require.NoError(t, err)
	disk := fs.CrashClone(vfs.CrashCloneCfg{})
	o.close()
	o = open(t, disk, &Clock{}, Retention{})
	defer o.close()
	s, err = Open(o.env, "s1")
	require.NoError(t, err)
	require.EqualValues(t, 1, s.State().Last.Seq)
	_, err = s.Accept(Batch{Tenure: first, Prev: Position{first, 1}, Records: records(first, 2, 1)})
	require.ErrorIs(t, err, ErrOldTenure, "the promise is forgotten")
}

// What a follower answers to a leader that wants it synced is on its disk.
func TestSyncedRecordsSurviveAPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := openUnsynced(t, fs)
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	tenure := Tenure{Term: 1, Reboot: 1}
	_, err = s.Promise(tenure)
	require.NoError(t, err)
	_, err = s.Accept(Batch{Tenure: tenure, Records: records(tenure, 1, 3), Sync: true})
	require.NoError(t, err)
	disk := fs.CrashClone(vfs.CrashCloneCfg{})
	o.close()
	o = open(t, disk, &Clock{}, Retention{})
	defer o.close()
	s, err = Open(o.env, "s1")
	require.NoError(t, err)
	require.EqualValues(t, 3, s.State().Last.Seq, "records are lost that were answered as synced")
}

// A leader that does not know yet that it is deposed has its records refused.
func TestEarlierTenureIsRefused(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	first, again, second := Tenure{Term: 1, Reboot: 1}, Tenure{Term: 1, Reboot: 2}, Tenure{Term: 2, Reboot: 1}
	for _, later := range []Tenure{again, second} {
		_, err = s.Promise(later)
		require.NoError(t, err)
		_, err = s.Accept(Batch{Tenure: first, Records: records(first, 1, 1)})
		require.ErrorIs(t, err, ErrOldTenure, "a deposed leader is obeyed")
		_, err = s.BeginCopy(first, 1)
		require.ErrorIs(t, err, ErrOldTenure)
		_, err = s.Promise(first)
		require.ErrorIs(t, err, ErrOldTenure)
	}
	_, err = s.Documents(context.Background(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: "k"}}})
	require.NoError(t, err)
}

// What is answered as dropped, or as a whole copy, is so after a power cut.
func TestDropAndCopySurviveAPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := openUnsynced(t, fs)
	tenure := Tenure{Term: 2, Reboot: 1}
	dropped, err := Create(o.env, "dropped")
	require.NoError(t, err)
	copied, err := Create(o.env, "copied")
	require.NoError(t, err)
	cut := func() *opened {
		after := open(t, fs.CrashClone(vfs.CrashCloneCfg{}), &Clock{}, Retention{})
		t.Cleanup(after.close)
		return after
	}

	session, err := copied.BeginCopy(tenure, 1)
	require.NoError(t, err)
	end := Position{tenure, 7}
	require.NoError(t, copied.EndCopy(CopyID{Tenure: tenure, Number: 1, Session: session}, CopyEnd{State: State{Last: end}}))
	again, err := Open(cut().env, "copied")
	require.NoError(t, err)
	require.Equal(t, end, again.State().Last, "a copy is lost that was answered as whole")

	require.NoError(t, dropped.Drop())
	_, err = Open(cut().env, "dropped")
	require.ErrorIs(t, err, ErrNoShard, "a shard is back that was answered as dropped")
	o.close()
}
