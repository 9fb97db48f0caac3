package shard

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Parts of a copy that was given up may come late: they do not mix with a later one,
// and do not end it.
func TestLatePartsOfAnEarlierCopy(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	tenure := Tenure{Term: 1, Reboot: 1}
	begin := func(n uint64) CopyID {
		session, err := s.BeginCopy(tenure, n)
		require.NoError(t, err)
		return CopyID{tenure, n, session}
	}
	refused := func(tenure Tenure, n uint64, says string) {
		_, err := s.BeginCopy(tenure, n)
		require.ErrorIs(t, err, ErrGap, says)
	}
	entry := func(key string) []Entry { return []Entry{{Space: Documents, Key: key, Value: storedDocument(key, 1)}} }
	end := CopyEnd{State: State{Last: Position{Tenure: tenure, Seq: 9}, Count: 1, Revision: revision(1)}, Sum: sumOf("new", storedDocument("new", 1))}
	first := begin(1)
	second := begin(2)
	require.NoError(t, s.AddCopy(second, entry("new")))
	require.ErrorIs(t, s.AddCopy(first, entry("old")), ErrGap, "parts of two copies mix")
	require.ErrorIs(t, s.EndCopy(first, end), ErrGap)
	require.True(t, s.Receiving())
	refused(tenure, 1, "a late part takes the place of a later copy")
	require.NoError(t, s.EndCopy(second, end))
	refused(tenure, 1, "a copy that has been given up begins again")
	refused(tenure, 2, "a copy that has ended begins again")
	require.False(t, s.Receiving())
	_, err = s.BeginCopy(Tenure{Term: 2, Reboot: 1}, 1)
	require.NoError(t, err, "another leader numbers its own")
	require.EqualValues(t, 1, s.State().Count)
	require.NoError(t, s.Check(t.Context()))
}

// What a replica has stays, documents, log and position, until a copy has come that is
// whole, and that is what its leader has read.
func TestCopyThatIsNotWholeChangesNothing(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer func() { o.close() }()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	first, tenure := Tenure{Term: 1, Reboot: 1}, Tenure{Term: 2, Reboot: 1}
	_, err = s.Accept(Batch{Tenure: first, Records: records(first, 1, 3), Commit: 2})
	require.NoError(t, err)
	sum, before, err := s.Checksum(t.Context())
	require.NoError(t, err)
	a, b := Entry{Documents, "a", storedDocument("a", 5)}, Entry{Documents, "b", storedDocument("b", 4)}
	both := CopyEnd{State: State{Last: Position{tenure, 9}, Count: 2, Revision: revision(5)}, Sum: sumOf(a.Key, a.Value) + sumOf(b.Key, b.Value)}
	with := func(change func(*CopyEnd)) CopyEnd { e := both; change(&e); return e }
	for i, c := range []struct {
		name    string
		entries []Entry
		end     CopyEnd
	}{
		{"nothing has come", nil, both},
		{"a part is missing", []Entry{a}, both},
		{"a part has come twice", []Entry{a, b, b}, with(func(e *CopyEnd) { e.State.Count = 3 })},
		{"not in order", []Entry{b, a}, both},
		{"other documents", []Entry{a, {Documents, "b", storedDocument("b", 3)}}, both},
		{"garbage", []Entry{a, {Documents, "b", []byte("garbage")}}, both},
		{"another's document", []Entry{a, {Documents, "b", a.Value}}, both},
		{"no document", []Entry{a, {Documents, "b", append(make([]byte, 8), "{\"_key\":\"b\",\"_id\":\"c/b\""...)}}, both},
		{"a key that is none", []Entry{{Documents, "", a.Value}, a}, both},
		{"a revision after which no clock goes on", []Entry{a, {Documents, "b", storedDocument("b", 1<<63)}}, both},
		{"the count", []Entry{a, b}, with(func(e *CopyEnd) { e.State.Count = 7 })},
		{"the revision is that of no document", []Entry{a, b}, with(func(e *CopyEnd) { e.State.Revision = "garbage!" })},
		{"a document is later than the revision", []Entry{a, b}, with(func(e *CopyEnd) { e.State.Revision = revision(4) })},
		{"the end is of a later tenure", []Entry{a, b}, with(func(e *CopyEnd) { e.State.Last.Term = 3 })},
		{"no log has so many records", []Entry{a, b}, with(func(e *CopyEnd) { e.State.Last.Seq = 1<<64 - 1 })},
	} {
		session, err := s.BeginCopy(tenure, uint64(i+1))
		require.NoError(t, err)
		id := CopyID{tenure, uint64(i + 1), session}
		require.ErrorIs(t, s.EndCopy(CopyID{tenure, uint64(i + 1), ""}, both), ErrGap, "it ends under no session")
		err = s.AddCopy(id, c.entries)
		if err == nil {
			err = s.EndCopy(id, c.end)
		}
		require.Error(t, err, "%s: it takes the place of what is there", c.name)
		require.Equal(t, apierror.BadParameter, apierror.From(err).Num, c.name)
		require.False(t, s.Receiving(), c.name)
		again, after, err := s.Checksum(t.Context())
		require.NoError(t, err)
		require.Equal(t, sum, again, c.name)
		after.Promised = before.Promised
		require.Equal(t, before, after, c.name)
		require.NoError(t, s.Check(t.Context()))
	}
	session, err := s.BeginCopy(tenure, 100)
	require.NoError(t, err)
	require.NoError(t, s.AddCopy(CopyID{tenure, 100, session}, []Entry{a, b}))
	s = o.reopened()
	require.ErrorIs(t, s.EndCopy(CopyID{tenure, 100, session}, both), ErrGap, "a copy goes on that began before a restart")
	copied(t, s, tenure, 1, both.State.Last, "c")
	require.EqualValues(t, 1, s.State().Count)
	require.Equal(t, both.State.Last, s.State().Last)
	require.NoError(t, s.Check(t.Context()))
	s = o.reopened()
	require.EqualValues(t, 1, s.State().Count)
	require.NoError(t, s.Check(t.Context()))
	aside, err := s.r.st.hasAside()
	require.NoError(t, err)
	require.False(t, aside, "parts of a copy that was given up, or what was there before, are left")
}

// Records end a copy of which nothing has come yet: parts of it that come late would put the
// replica back to where it stood when the copy was begun.
func TestRecordsEndACopy(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	tenure := Tenure{Term: 1, Reboot: 1}
	session, err := s.BeginCopy(tenure, 1)
	require.NoError(t, err)
	st, err := s.Accept(Batch{Tenure: tenure, Records: records(tenure, 1, 3), Commit: 3})
	require.NoError(t, err)
	id, late := CopyID{tenure, 1, session}, storedDocument("a", 1)
	end := CopyEnd{State: State{Last: Position{Tenure: tenure, Seq: 1}, Count: 1, Revision: revision(1)}, Sum: sumOf("a", late)}
	require.ErrorIs(t, s.AddCopy(id, []Entry{{Documents, "a", late}}), ErrGap, "a late copy takes records back")
	require.ErrorIs(t, s.EndCopy(id, end), ErrGap, "a late copy takes records back")
	require.Equal(t, st, s.State())
	require.NoError(t, s.Check(t.Context()))
}

// A replica that goes on from the log needs the copy no more that was being brought.
func TestCopyThatIsGivenUpLeavesNothing(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer func() { o.close() }()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	tenure := Tenure{Term: 1, Reboot: 1}
	session, err := s.BeginCopy(tenure, 1)
	require.NoError(t, err)
	require.NoError(t, s.AddCopy(CopyID{tenure, 1, session}, []Entry{{Documents, "a", storedDocument("a", 5)}}))
	s = o.reopened()
	_, err = s.Accept(Batch{Tenure: tenure, Records: records(tenure, 1, 2), Commit: 2})
	require.NoError(t, err)
	aside, err := s.r.st.hasAside()
	require.NoError(t, err)
	require.False(t, aside)
	require.EqualValues(t, 2, s.State().Count)
	require.NoError(t, s.Check(t.Context()))

	session, err = s.BeginCopy(tenure, 2)
	require.NoError(t, err)
	require.NoError(t, s.AddCopy(CopyID{tenure, 2, session}, []Entry{{Documents, "a", storedDocument("a", 5)}}))
	require.NoError(t, s.Lead(Tenure{Term: 2, Reboot: 1}, undecided{}, false))
	require.False(t, s.Receiving())
	aside, err = s.r.st.hasAside()
	require.NoError(t, err)
	require.False(t, aside, "so does one that leads")
}

// A replica that leads takes nothing from others in its own tenure.
func TestLeaderTakesNoRecordsAndNoCopy(t *testing.T) {
	s := fresh(t)
	one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{}`)})
	before := s.State()
	_, err := s.Accept(Batch{Tenure: Tenure{1, 1}, Prev: before.Last, Records: records(Tenure{1, 1}, 2, 1), Commit: 2})
	require.ErrorIs(t, err, ErrLeads, "a leader takes another's records")
	_, err = s.BeginCopy(Tenure{1, 1}, 1)
	require.ErrorIs(t, err, ErrLeads)
	require.Equal(t, before, s.State())
	one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "l", Document: raw(`{}`)})
}

// Records that no leader can have numbered are refused, and nothing of them is stored.
func TestRecordsAreCheckedBeforeTheyAreStored(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	first, tenure := Tenure{Term: 1, Reboot: 1}, Tenure{Term: 2, Reboot: 1}
	st, err := s.Accept(Batch{Tenure: first, Records: records(first, 1, 2), Commit: 1})
	require.NoError(t, err)
	_, err = s.Promise(tenure)
	require.NoError(t, err)
	before := s.State()
	two := func(change func(a, b *Record)) []Record {
		rs := records(tenure, 3, 2)
		change(&rs[0], &rs[1])
		return rs
	}
	for name, rs := range map[string][]Record{
		"a hole":                     two(func(_, b *Record) { b.Seq = 5 }),
		"of a later tenure":          two(func(_, b *Record) { b.Tenure = Tenure{3, 1} }),
		"of an earlier tenure":       two(func(_, b *Record) { b.Tenure = first }),
		"no change":                  two(func(_, b *Record) { b.Changes = nil }),
		"garbage":                    two(func(_, b *Record) { b.Changes[0].Value = []byte("garbage, garbage") }),
		"empty":                      two(func(_, b *Record) { b.Changes[0].Value = nil }),
		"another's document":         two(func(a, b *Record) { b.Changes[0].Value = a.Changes[0].Value }),
		"of another time":            two(func(_, b *Record) { b.Time++ }),
		"no clock goes on after it":  two(func(_, b *Record) { b.Time = 1<<64 - 1; b.Changes[0].Value = storedDocument(b.Changes[0].Key, b.Time) }),
		"a key that is none":         two(func(_, b *Record) { b.Changes[0].Key = "a b" }),
		"adds two":                   two(func(_, b *Record) { b.Added = 2 }),
		"takes away what it has not": two(func(_, b *Record) { b.Added = -1 }),
		"a removal that adds":        two(func(_, b *Record) { b.Changes[0].Kind, b.Changes[0].Value = Delete, nil }),
		"a removal with a value":     two(func(_, b *Record) { b.Changes[0].Kind, b.Added = Delete, -1 }),
		"a truncation with a key":    two(func(_, b *Record) { b.Changes[0].Kind, b.Changes[0].Value, b.Added = Truncate, nil, 0 }),
		"more than there is": two(func(_, b *Record) {
			*b = Record{tenure, 4, 4, -9, nil}
			b.Changes = slices.Repeat([]Change{{Kind: Delete, Key: "x"}}, 9)
		}),
	} {
		_, err := s.Accept(Batch{Tenure: tenure, Prev: st.Last, Records: rs, Commit: 4})
		require.Error(t, err, "%s: garbage is stored", name)
		require.NotErrorIs(t, err, ErrGap, name)
		require.Equal(t, before, s.State(), name)
	}
	_, err = s.Accept(Batch{Tenure: tenure, Prev: st.Last, Records: records(tenure, 3, 2), Commit: 4})
	require.NoError(t, err)
	require.EqualValues(t, 4, s.State().Count)
	require.NoError(t, s.Check(t.Context()))
}

// A promise that no tenure can have asked for is overruled, with what is in the log of
// such tenures and not committed; one that has been replaced meanwhile is not.
func TestOverruledPromise(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer func() { o.close() }()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	first, second, bogus := Tenure{1, 1}, Tenure{2, 1}, Tenure{1<<64 - 1, 7}
	st, err := s.Accept(Batch{Tenure: first, Records: records(first, 1, 3), Commit: 1})
	require.NoError(t, err)
	_, err = s.Accept(Batch{Tenure: bogus, Prev: st.Last, Records: records(bogus, 4, 2)})
	require.NoError(t, err)
	_, err = s.Promise(second)
	require.ErrorIs(t, err, ErrOldTenure)
	_, err = s.Overrule(Tenure{1 << 62, 7}, second)
	require.ErrorIs(t, err, ErrOldTenure, "a promise is forgotten that was not judged")
	after, err := s.Overrule(bogus, second)
	require.NoError(t, err)
	require.Equal(t, State{Promised: second, Last: st.Last, Committed: 1, Count: 1, Revision: revision(1)}, after)
	s = o.reopened()
	require.Equal(t, after, s.State())
	require.NoError(t, s.Check(t.Context()))
	_, err = s.Accept(Batch{Tenure: second, Prev: st.Last, Records: records(second, 4, 1), Commit: 4})
	require.NoError(t, err)
}

// A write after a truncation that is not committed meets no documents.
func TestWriteAfterUncommittedTruncate(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	require.NoError(t, s.Lead(Tenure{Term: 1, Reboot: 1}, undecided{}, false))
	insert := func(key string) {
		_, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Ops: []dbclient.Op{
			{Kind: dbclient.OpInsert, OverwriteMode: dbclient.OverwriteReplace, Key: key, Document: fmt.Appendf(nil, `{}`)}}})
		require.ErrorIs(t, err, errPending)
	}
	insert("applied")
	_, err = s.Commit(1)
	require.NoError(t, err)
	insert("tail")
	require.ErrorIs(t, s.Truncate(t.Context(), dbclient.TruncateRequest{}), errPending)
	insert("applied")
	insert("tail")
	insert("tail")
	_, err = s.Commit(6)
	require.NoError(t, err)
	require.Equal(t, uint64(2), s.State().Count)
	require.NoError(t, s.Check(t.Context()))
}

// closing is a quorum of a server that shuts down while a write waits.
type closing struct{ undecided }

func (closing) Await(context.Context, uint64, bool) error {
	return fmt.Errorf("wait: %w", apierror.New(apierror.ShuttingDown, "closing"))
}

// A write that has a number may still be committed: its client is told that the outcome is
// unknown, whatever the reason is that it was not waited for.
func TestNumberedWriteIsUnknown(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	require.NoError(t, s.Lead(Tenure{Term: 1, Reboot: 1}, closing{}, false))
	_, err = s.Documents(t.Context(), dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: "k", Document: []byte(`{}`)}}})
	require.Equal(t, apierror.ConnectionLost, apierror.From(err).Num)
	require.Equal(t, apierror.ConnectionLost, apierror.From(s.Truncate(t.Context(), dbclient.TruncateRequest{})).Num)
}
