package shard

import (
	"context"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
)

// copyBrought brings a copy of a shard to another engine, in small parts, and has that lead.
func copyBrought(t *testing.T, from *Shard, to *opened) *Shard {
	t.Helper()
	s, err := Create(to.env, "s1")
	require.NoError(t, err)
	c, err := from.NewCopy()
	require.NoError(t, err)
	session, err := s.BeginCopy(Tenure{5, 1}, 1)
	require.NoError(t, err)
	id := CopyID{Tenure{5, 1}, 1, session}
	for {
		entries, err := c.Next(1)
		require.NoError(t, err)
		if len(entries) == 0 {
			break
		}
		require.NoError(t, s.AddCopy(id, entries))
	}
	require.NoError(t, s.EndCopy(id, c.End()))
	require.NoError(t, c.Close())
	return s
}

// A copy carries what is prepared and what is decided: who leads next from it has the locks, and knows the outcomes. The log, which
// it does not have, is not needed for that.
func TestCopyCarriesTransactions(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		x := h.prepared(1)
		y := h.begin(2)
		y.put("c", 3)
		require.NoError(t, y.Decide(t.Context(), []dbclient.TxnShard{home}, true))
		y.release()
		o := open(t, vfs.NewMem(), &Clock{}, Retention{})
		defer func() { o.close() }()
		s := copyBrought(t, h.s, o)
		want, _, err := h.s.Checksum(t.Context())
		require.NoError(t, err)
		got, _, err := s.Checksum(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got, "a copy has lost what is prepared or decided")
		require.NoError(t, s.Check(t.Context()))

		s = o.reopened()
		require.NoError(t, s.Lead(Tenure{6, 1}, solo{o.env.Engine}, true))
		list, err := s.Transactions().Prepared()
		require.NoError(t, err)
		require.Equal(t, []Prepared{{ID: 1, Home: home}}, list)
		decisions, err := s.Transactions().Decisions()
		require.NoError(t, err)
		require.Len(t, decisions, 1)
		require.Equal(t, []dbclient.TxnShard{home}, decisions[0].Others)
		require.ErrorIs(t, s.locks.Key(t.Context(), &locks.Owner{Patient: true}, "a", 0), apierror.LockTimeout)
		found, err := s.Transactions().Resolve(t.Context(), 1, true, true)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, "1", valueOf(t, one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: "new"})))
		require.NoError(t, s.Transactions().Forget(t.Context(), []TxnID{2}))

		_, err = h.s.Transactions().Resolve(t.Context(), 1, true, true)
		require.NoError(t, err)
		x.release()
		require.NoError(t, h.s.Transactions().Forget(t.Context(), []TxnID{2}))
		plain, _, err := h.s.Checksum(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, want, plain, "the checksum does not know what is prepared")
		got, _, err = s.Checksum(t.Context())
		require.NoError(t, err)
		require.Equal(t, plain, got)
	})
}

// A replica that takes a copy has no transaction any more that its leader does not have.
func TestCopyTakesTransactionsAway(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		o := open(t, vfs.NewMem(), &Clock{}, Retention{})
		defer o.close()
		s := o.leader(Tenure{1, 1})
		other := &shop{t: t, o: o, s: s}
		other.prepared(9)
		s.Follow(Tenure{1, 1})
		s = copyBrought(t, h.s, o)
		require.NoError(t, s.Lead(Tenure{6, 1}, solo{o.env.Engine}, true))
		list, err := s.Transactions().Prepared()
		require.NoError(t, err)
		require.Empty(t, list)
	})
}

// What a transaction has cannot be read is refused in a record and in a copy, and nothing of it is stored.
func TestForgedTransactions(t *testing.T) {
	put := func(key string, time uint64) Change {
		return Change{Kind: Put, Key: key, Value: storedDocument(key, time)}
	}
	id := keyOfTxn(7)
	end := func(kind ChangeKind, key string, value []byte) Change {
		return Change{Kind: kind, Key: key, Value: value}
	}
	decided := end(Decided, id, encodeOthers([]dbclient.TxnShard{home}))
	committed := end(Resolved, id, []byte{1})
	prepare := func(p prepared) Change { return end(Prepare, id, p.encode()) }
	good := prepared{home: home, added: 1, changes: []Change{put("a", 3), {Kind: Delete, Key: "b"}}}
	later := Change{Kind: Put, Key: "a", Value: storedDocument("a", 99)}
	for name, c := range map[string]struct {
		added   int64
		changes []Change
		ok      bool
	}{
		"a preparation":                        {0, []Change{prepare(good)}, true},
		"a decision":                           {2, []Change{put("a", 2), put("b", 3), decided}, true},
		"a resolution":                         {1, []Change{put("a", 3), {Kind: Delete, Key: "b"}, committed}, true},
		"with a truncation":                    {1, []Change{{Kind: Truncate}, put("a", 3), committed}, true},
		"an abort":                             {0, []Change{end(Resolved, id, []byte{0})}, true},
		"nothing but a decision":               {0, []Change{end(Decided, id, encodeOthers(nil))}, true},
		"decisions are forgotten":              {0, []Change{end(Forgotten, id, nil), end(Forgotten, keyOfTxn(8), nil)}, true},
		"two documents without a transaction":  {2, []Change{put("a", 3), put("b", 3)}, false},
		"a decision that is not the last":      {1, []Change{decided, put("a", 3)}, false},
		"two decisions":                        {0, []Change{decided, decided}, false},
		"a document twice":                     {1, []Change{put("a", 3), put("a", 2), decided}, false},
		"documents that are not in order":      {1, []Change{put("b", 3), put("a", 2), decided}, false},
		"a document that is later":             {1, []Change{later, decided}, false},
		"a truncation after a document":        {1, []Change{put("a", 3), {Kind: Truncate}, decided}, false},
		"a removal after a truncation":         {0, []Change{{Kind: Truncate}, {Kind: Delete, Key: "a"}, decided}, false},
		"a truncation that replaces":           {0, []Change{{Kind: Truncate}, put("a", 3), decided}, false},
		"more than it adds":                    {3, []Change{put("a", 3), put("b", 3), decided}, false},
		"no id":                                {0, []Change{end(Decided, keyOfTxn(0), encodeOthers(nil))}, false},
		"a short id":                           {0, []Change{end(Decided, "7", encodeOthers(nil))}, false},
		"others that are garbage":              {0, []Change{end(Decided, id, []byte("garbage"))}, false},
		"others without a name":                {0, []Change{end(Decided, id, encodeOthers([]dbclient.TxnShard{{Database: "d"}}))}, false},
		"a name that is none":                  {0, []Change{end(Decided, id, encodeOthers([]dbclient.TxnShard{{Shard: "s\x00d"}}))}, false},
		"a name without end":                   {0, []Change{end(Decided, id, encodeOthers([]dbclient.TxnShard{{Shard: string(make([]byte, 5000))}}))}, false},
		"a preparation that is garbage":        {0, []Change{end(Prepare, id, []byte("garbage"))}, false},
		"a preparation with documents":         {1, []Change{put("a", 3), prepare(good)}, false},
		"a preparation that adds":              {1, []Change{prepare(good)}, false},
		"a preparation without a home":         {0, []Change{prepare(prepared{changes: good.changes})}, false},
		"a preparation of a later document":    {0, []Change{prepare(prepared{home: home, added: 1, changes: []Change{later}})}, false},
		"a preparation of garbage":             {0, []Change{prepare(prepared{home: home, changes: []Change{{Kind: Put, Key: "a", Value: []byte("garbage, garbage")}}})}, false},
		"a preparation of a preparation":       {0, []Change{prepare(prepared{home: home, changes: []Change{prepare(good)}})}, false},
		"a preparation that does not count":    {0, []Change{prepare(prepared{home: home, added: 5, changes: good.changes})}, false},
		"a resolution neither way":             {0, []Change{end(Resolved, id, []byte{2})}, false},
		"a resolution without an outcome":      {0, []Change{end(Resolved, id, nil)}, false},
		"an abort that changes a document":     {1, []Change{put("a", 3), end(Resolved, id, []byte{0})}, false},
		"forgotten with a value":               {0, []Change{end(Forgotten, id, []byte{1})}, false},
		"forgotten twice":                      {0, []Change{end(Forgotten, id, nil), end(Forgotten, id, nil)}, false},
		"forgotten with documents":             {1, []Change{put("a", 3), end(Forgotten, id, nil)}, false},
		"forgotten, and documents are added":   {1, []Change{end(Forgotten, id, nil)}, false},
		"a kind that is none":                  {0, []Change{end(Forgotten+1, id, nil)}, false},
		"a document under a transaction's key": {1, []Change{put("a", 3), end(Decided, "a", encodeOthers(nil))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t, vfs.NewMem(), &Clock{}, Retention{})
			defer o.close()
			s, err := Create(o.env, "s1")
			require.NoError(t, err)
			tenure := Tenure{1, 1}
			first := Record{Tenure: tenure, Seq: 1, Time: 1, Added: 1, Changes: []Change{put("b", 1)}}
			st, err := s.Accept(Batch{Tenure: tenure, Records: []Record{first}, Commit: 1})
			require.NoError(t, err)
			r := Record{Tenure: tenure, Seq: 2, Time: 3, Added: c.added, Changes: c.changes}
			_, err = s.Accept(Batch{Tenure: tenure, Prev: st.Last, Records: []Record{r}, Commit: 2})
			if c.ok {
				require.NoError(t, err)
				require.EqualValues(t, 2, s.State().Committed)
				back, err := DecodeRecord(2, r.Encode())
				require.NoError(t, err)
				require.Equal(t, r.Encode(), back.Encode())
				return
			}
			require.ErrorIs(t, err, apierror.BadParameter)
			require.Equal(t, st, s.State())
		})
	}
}

// A copy that has a transaction which cannot be read, or not in its place, is given up.
func TestForgedTransactionsInACopy(t *testing.T) {
	p := prepared{home: home, added: 1, changes: []Change{{Kind: Put, Key: "a", Value: storedDocument("a", 4)}}}.encode()
	whole := []Entry{{Documents, "k", storedDocument("k", 1)}, {PreparedTxns, keyOfTxn(1), p}, {PreparedTxns, keyOfTxn(2), p}, {DecisionsMade, keyOfTxn(1), encodeOthers(nil)}}
	with := func(change func(all []Entry) []Entry) []Entry { return change(slices.Clone(whole)) }
	for name, c := range map[string]struct {
		entries  []Entry
		revision uint64
		ok       bool
	}{
		"whole":                 {whole, 4, true},
		"not in order":          {with(func(all []Entry) []Entry { all[1], all[2] = all[2], all[1]; return all }), 4, false},
		"not in order of kinds": {with(func(all []Entry) []Entry { all[0], all[1] = all[1], all[0]; return all }), 4, false},
		"twice":                 {with(func(all []Entry) []Entry { all[2].Key = all[1].Key; return all }), 4, false},
		"a decision is garbage": {with(func(all []Entry) []Entry { all[3].Value = []byte("garbage"); return all }), 4, false},
		"what is prepared is":   {with(func(all []Entry) []Entry { all[2].Value = []byte("garbage"); return all }), 4, false},
		"an id that is none":    {with(func(all []Entry) []Entry { all[2].Key = "k"; return all }), 4, false},
		"an unknown space":      {with(func(all []Entry) []Entry { all[3].Space = 'z'; return all }), 4, false},
		"later than its end":    {whole, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t, vfs.NewMem(), &Clock{}, Retention{})
			defer o.close()
			s, err := Create(o.env, "s1")
			require.NoError(t, err)
			session, err := s.BeginCopy(Tenure{1, 1}, 1)
			require.NoError(t, err)
			id := CopyID{Tenure{1, 1}, 1, session}
			end := CopyEnd{State: State{Last: Position{Tenure{1, 1}, 9}, Count: 1, Revision: revision(c.revision)}}
			for _, e := range c.entries {
				end.Sum += e.sum()
			}
			if err = s.AddCopy(id, c.entries); err == nil {
				err = s.EndCopy(id, end)
			}
			if c.ok {
				require.NoError(t, err)
				require.NoError(t, s.Check(t.Context()))
				return
			}
			require.ErrorIs(t, err, apierror.BadParameter)
			require.Zero(t, s.State().Last)
			require.False(t, s.Receiving())
		})
	}
}

// Two that have written the same document cannot both be prepared: such a replica does not lead.
func TestReplicaWithTwoOwnersOfAKeyDoesNotLead(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	tenure := Tenure{1, 1}
	var rs []Record
	for n := range uint64(2) {
		p := prepared{home: home, added: 1, changes: []Change{{Kind: Put, Key: "a", Value: storedDocument("a", n+1)}}}
		rs = append(rs, Record{Tenure: tenure, Seq: n + 1, Time: n + 1, Changes: []Change{{Kind: Prepare, Key: keyOfTxn(TxnID(n + 1)), Value: p.encode()}}})
	}
	_, err = s.Accept(Batch{Tenure: tenure, Records: rs, Commit: 1})
	require.NoError(t, err)
	require.ErrorContains(t, s.Lead(Tenure{2, 1}, undecided{}, false), `two owners are to have key "a"`)
	_, err = s.Transactions().Begin(1, &locks.Owner{Patient: true}, PartLimits{})
	require.ErrorIs(t, err, apierror.NotLeader)
}

// Formats that this version reads: an engine of format 2, with a tail, is opened and goes on, and its values become those of format 3 as
// they are written. A transaction in a record of format 2 is refused, and so is a later format.
func TestFormat2GoesOn(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer func() { o.close() }()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	tenure := Tenure{1, 1}
	st, err := s.Accept(Batch{Tenure: tenure, Records: records(tenure, 1, 4), Commit: 2})
	require.NoError(t, err)
	as := func(format byte) {
		e := o.env.Engine
		set := func(key, value []byte) {
			b := e.NewBatch()
			value[0] = format
			require.NoError(t, b.Set(key, value))
			require.NoError(t, b.Commit(true))
		}
		keys := layoutOf("s1")
		for _, key := range [][]byte{keys.meta(), keys.log(1), keys.log(2), keys.log(3), keys.log(4)} {
			value, found, err := e.Get(key)
			require.NoError(t, err)
			require.True(t, found)
			set(key, slices.Clone(value))
		}
		set(keys.restored(), encodeCertified(Position{tenure, 4}))
	}
	as(2)
	s = o.reopened()
	require.Equal(t, st, s.State())
	require.NoError(t, s.Check(t.Context()))
	require.NoError(t, s.Lead(Tenure{2, 1}, solo{o.env.Engine}, true))
	_, err = s.Commit(4)
	require.NoError(t, err)
	h := &shop{t: t, o: o, s: s}
	x := h.begin(1)
	x.put("a", 1)
	require.NoError(t, x.Prepare(t.Context(), home))
	_, err = s.Transactions().Resolve(t.Context(), 1, true, true)
	require.NoError(t, err)
	require.Equal(t, "1", h.value("a"))
	value, _, err := o.env.Engine.Get(layoutOf("s1").meta())
	require.NoError(t, err)
	require.EqualValues(t, 3, value[0], "an older version would open it, and not know what is prepared")
	_, rs, ok, err := s.Log(5, 1<<20)
	require.NoError(t, err)
	require.True(t, ok)
	old := rs[0].Encode()
	old[0] = 2
	_, err = DecodeRecord(5, old)
	require.ErrorIs(t, err, errRecord, "format 2 has no transactions")
	as(4)
	_, err = Open(o.env, "s1")
	require.ErrorIs(t, err, errMetaFormat)
}

// watched is a quorum that tells what it is asked for.
type watched struct {
	solo
	sync *[]bool
}

func (q watched) Await(ctx context.Context, seq uint64, sync bool) error {
	*q.sync = append(*q.sync, sync)
	return q.solo.Await(ctx, seq, sync)
}

// What is promised to others is on all disks when it is answered: a preparation, a decision that has others, the end of a prepared
// transaction, also when it is told again, and an outcome that is told.
func TestPromisesToOtherShardsAreOnDisk(t *testing.T) {
	o := openUnsynced(t, vfs.NewCrashableMem())
	defer o.close()
	s := o.leader(Tenure{1, 1})
	var asked []bool
	require.NoError(t, s.Lead(Tenure{2, 1}, watched{solo{o.env.Engine}, &asked}, true))
	h := &shop{t: t, o: o, s: s}
	// survives is what a power cut leaves now.
	survives := func() *Shard {
		left := open(t, o.fs.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{}), &Clock{}, Retention{})
		t.Cleanup(left.close)
		s, err := Open(left.env, "s1")
		require.NoError(t, err)
		require.NoError(t, s.Lead(Tenure{9, 1}, solo{left.env.Engine}, true))
		return s
	}
	x := h.begin(1)
	x.put("a", 1)
	require.NoError(t, x.Prepare(t.Context(), home))
	list, err := survives().Transactions().Prepared()
	require.NoError(t, err)
	require.Len(t, list, 1, "what is prepared is lost in a power cut")

	y := h.begin(2)
	y.put("b", 1)
	require.NoError(t, y.Decide(t.Context(), []dbclient.TxnShard{home}, false))
	decisions, err := survives().Transactions().Decisions()
	require.NoError(t, err)
	require.Len(t, decisions, 1, "a decision is lost in a power cut")

	_, err = s.Transactions().Resolve(t.Context(), 1, true, false)
	require.NoError(t, err)
	list, err = survives().Transactions().Prepared()
	require.NoError(t, err)
	require.Len(t, list, 1, "the power cut takes nothing: the test shows nothing")
	found, err := s.Transactions().Resolve(t.Context(), 1, true, true)
	require.NoError(t, err)
	require.False(t, found)
	list, err = survives().Transactions().Prepared()
	require.NoError(t, err)
	require.Empty(t, list, "the end of a transaction that was answered twice is lost in a power cut")

	z := h.begin(3)
	z.put("c", 1)
	require.NoError(t, z.Prepare(t.Context(), home))
	_, err = s.Transactions().Resolve(t.Context(), 3, true, true)
	require.NoError(t, err)
	list, err = survives().Transactions().Prepared()
	require.NoError(t, err)
	require.Empty(t, list, "the end of a transaction is lost in a power cut")

	w := h.begin(4)
	w.put("d", 1)
	require.NoError(t, w.Decide(t.Context(), nil, false))
	decisions, err = survives().Transactions().Decisions()
	require.NoError(t, err)
	require.Len(t, decisions, 1, "the power cut takes nothing: the test shows nothing")
	_, found, err = s.Transactions().Decision(t.Context(), 4)
	require.NoError(t, err)
	require.True(t, found)
	decisions, err = survives().Transactions().Decisions()
	require.NoError(t, err)
	require.Len(t, decisions, 2, "a decision that was told is lost in a power cut")
	require.Equal(t, []bool{true, true, false, true, true, true, false, true}, asked)
}

// An outcome is told when it is committed, and not before.
func TestDecisionThatIsNotCommittedIsNotTold(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	require.NoError(t, s.Lead(Tenure{1, 1}, undecided{}, false))
	h := &shop{t: t, o: o, s: s}
	x := h.begin(1)
	x.put("a", 1)
	require.ErrorIs(t, x.Decide(t.Context(), []dbclient.TxnShard{home}, false), apierror.ConnectionLost)
	_, _, err = s.Transactions().Decision(t.Context(), 1)
	require.ErrorIs(t, err, apierror.ConnectionLost, "a decision is told that may still be taken back")
	require.Error(t, err)
}
