package shard

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// shop is a leader that is alone, with two documents, and transactions on it.
type shop struct {
	t *testing.T
	o *opened
	s *Shard
}

// inShop runs a test in a bubble. Nothing may be held or prepared when it is over.
func inShop(t *testing.T, test func(*testing.T, *shop)) {
	bubbles.Test(t, func(t *testing.T) {
		o := open(t, vfs.NewMem(), &Clock{}, Retention{})
		defer o.close()
		h := &shop{t: t, o: o, s: o.leader(Tenure{1, 1})}
		for _, key := range []string{"a", "b"} {
			require.Nil(t, one(t, h.s, dbclient.Op{Kind: dbclient.OpInsert, Key: key, Document: raw(`{"n":0}`)}).Error)
		}
		test(t, h)
		h.isFree()
	})
}

func (h *shop) isFree() {
	h.t.Helper()
	all, err := h.s.Transactions().Prepared()
	require.NoError(h.t, err)
	require.Empty(h.t, all, "a transaction is left prepared")
	require.Zero(h.t, h.s.doubts.n.Load())
	require.Empty(h.t, h.s.doubts.keys)
	o := &locks.Owner{Patient: true}
	require.NoError(h.t, h.s.locks.Whole(h.t.Context(), o, 0), "a lock is left")
	h.s.env.Locks.Release(o)
	require.NoError(h.t, h.s.Check(h.t.Context()))
}

// tx is a transaction on one shard.
type tx struct {
	*Part
	h     *shop
	owner *locks.Owner
	asked int64
}

// home is a shard that knows of a transaction.
var home = dbclient.TxnShard{Database: "d", Collection: "7", Shard: "s7"}

func (h *shop) begin(id TxnID) *tx {
	h.t.Helper()
	x := &tx{h: h, owner: locks.Transaction(id.String(), "CRDN-1", time.Now())}
	p, err := h.s.Transactions().Begin(id, x.owner, PartLimits{LockWait: time.Second, Bytes: func(n int64) error { x.asked += n; return nil }})
	require.NoError(h.t, err)
	x.Part = p
	return x
}

// do is one operation.
func (x *tx) do(op dbclient.Op) dbclient.OpResult {
	x.h.t.Helper()
	results, err := x.Documents(x.h.t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{op}, ReturnNew: true, ReturnOld: true})
	require.NoError(x.h.t, err)
	require.Len(x.h.t, results, 1)
	return results[0]
}

func (x *tx) put(key string, n int) dbclient.OpResult {
	x.h.t.Helper()
	return x.do(put(key, n))
}

func (x *tx) read(key string) dbclient.OpResult {
	x.h.t.Helper()
	return x.do(dbclient.Op{Kind: dbclient.OpRead, Key: key})
}

func (x *tx) remove(key string) dbclient.OpResult {
	x.h.t.Helper()
	return x.do(dbclient.Op{Kind: dbclient.OpRemove, Key: key})
}

// release lets its locks go.
func (x *tx) release() { x.h.s.env.Locks.Release(x.owner) }

// end ends it without a trace.
func (x *tx) end() {
	x.End()
	x.release()
}

func put(key string, n int) dbclient.Op {
	return dbclient.Op{Kind: dbclient.OpInsert, OverwriteMode: dbclient.OverwriteReplace, Key: key, Document: fmt.Appendf(nil, `{"n":%d}`, n)}
}

// fails requires an operation to be refused with a number.
func fails(t testing.TB, r dbclient.OpResult, num apierror.Num, says ...any) {
	t.Helper()
	require.NotNil(t, r.Error, says...)
	require.ErrorIs(t, r.Error, num, says...)
}

// value is the n of a document that somebody reads now; "" if there is none.
func (h *shop) value(key string) string {
	h.t.Helper()
	return valueOf(h.t, one(h.t, h.s, dbclient.Op{Kind: dbclient.OpRead, Key: key}))
}

func valueOf(t testing.TB, r dbclient.OpResult) string {
	t.Helper()
	if r.Error != nil {
		fails(t, r, apierror.DocumentNotFound)
		return ""
	}
	o, ok := parseObject(r.New)
	require.True(t, ok)
	return string(o.value("n"))
}

// What a transaction has written is seen by itself, and by nobody else before it commits; then all of it, with the
// revisions that it was told.
func TestTransactionOnOneShard(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		x := h.begin(1)
		require.False(t, x.Wrote())
		changed, made := x.put("a", 1), x.put("new", 1)
		require.NotEmpty(t, changed.OldRev)
		require.True(t, made.Created)
		require.Nil(t, x.remove("b").Error)
		require.True(t, x.Wrote())
		require.Equal(t, []string{"1", "", "1"}, []string{valueOf(t, x.read("a")), valueOf(t, x.read("b")), valueOf(t, x.read("new"))}, "it does not see its own writes")
		count, err := x.Count(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, count.Count)
		require.Equal(t, []string{"0", "0", ""}, []string{h.value("a"), h.value("b"), h.value("new")}, "what is not committed is seen")
		require.EqualValues(t, 2, h.s.State().Last.Seq, "something is in the log")

		require.NoError(t, x.Decide(t.Context(), nil, false))
		x.release()
		require.Equal(t, []string{"1", "", "1"}, []string{h.value("a"), h.value("b"), h.value("new")})
		require.Equal(t, changed.Rev, one(t, h.s, dbclient.Op{Kind: dbclient.OpRead, Key: "a"}).Rev)
		require.EqualValues(t, 3, h.s.State().Last.Seq, "it is not one record")
		require.EqualValues(t, 2, h.s.State().Count)
		_, err = x.Documents(t.Context(), dbclient.DocumentsRequest{})
		require.ErrorIs(t, err, ErrPartGone)

		others, found, err := h.s.Transactions().Decision(t.Context(), 1)
		require.NoError(t, err)
		require.True(t, found)
		require.Empty(t, others)
		require.NoError(t, h.s.Transactions().Forget(t.Context(), []TxnID{1, 2}))
		_, found, err = h.s.Transactions().Decision(t.Context(), 1)
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, h.s.Transactions().Forget(t.Context(), []TxnID{1}))
		require.EqualValues(t, 4, h.s.State().Last.Seq, "what is forgotten already is forgotten again")
	})
}

// A transaction that ends leaves nothing.
func TestTransactionThatEnds(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		before, st, err := h.s.Checksum(t.Context())
		require.NoError(t, err)
		x := h.begin(1)
		x.put("a", 1)
		x.end()
		require.ErrorIs(t, x.Decide(t.Context(), nil, false), ErrPartGone)
		require.ErrorIs(t, x.Prepare(t.Context(), home), ErrPartGone)
		require.ErrorIs(t, x.Whole(t.Context()), ErrPartGone)
		require.ErrorIs(t, x.Truncate(t.Context()), ErrPartGone)
		_, err = x.Scan(t.Context(), dbclient.ScanRequest{})
		require.ErrorIs(t, err, ErrPartGone)
		after, now, err := h.s.Checksum(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, after)
		require.Equal(t, st, now)
	})
}

// A part belongs to the leadership in which it began: what it has decided met documents and locks that may be others' now.
func TestPartEndsWithItsLeadership(t *testing.T) {
	for name, next := range map[string]func(s *Shard, q Quorum) error{
		"another leader":      func(s *Shard, _ Quorum) error { s.Follow(Tenure{1, 1}); return nil },
		"itself, later":       func(s *Shard, q Quorum) error { return s.Lead(Tenure{2, 1}, q, true) },
		"a promise":           func(s *Shard, _ Quorum) error { _, err := s.Promise(Tenure{3, 1}); return err },
		"itself, as it leads": func(s *Shard, q Quorum) error { return s.Lead(Tenure{1, 1}, q, true) },
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t, vfs.NewMem(), &Clock{}, Retention{})
			defer o.close()
			h := &shop{t: t, o: o, s: o.leader(Tenure{1, 1})}
			x := h.begin(1)
			x.put("a", 1)
			require.NoError(t, next(h.s, solo{o.env.Engine}))
			require.ErrorIs(t, x.Decide(t.Context(), nil, false), ErrPartGone, "a part outlives its leadership")
			require.ErrorIs(t, x.Prepare(t.Context(), home), ErrPartGone)
			require.Zero(t, h.s.State().Last.Seq)
			x.end()
		})
	}
}

// prepared makes a transaction that has written a, made new and removed b, and is prepared.
func (h *shop) prepared(id TxnID) *tx {
	h.t.Helper()
	x := h.begin(id)
	x.put("a", 1)
	x.put("new", 1)
	x.remove("b")
	require.NoError(h.t, x.Prepare(h.t.Context(), home))
	return x
}

// Readers wait for a transaction that is prepared, until it is resolved: by a key that it writes, and those of the whole
// shard. Others do not.
func TestReadersWaitForPrepared(t *testing.T) {
	for _, commit := range []bool{true, false} {
		t.Run(fmt.Sprint("committed: ", commit), func(t *testing.T) {
			inShop(t, func(t *testing.T, h *shop) {
				require.Nil(t, one(t, h.s, put("other", 5)).Error)
				x := h.prepared(1)
				list, err := h.s.Transactions().Prepared()
				require.NoError(t, err)
				require.Equal(t, []Prepared{{ID: 1, Home: home}}, list)
				require.Equal(t, "5", h.value("other"))
				answers := make(chan []string, 3)
				begun := time.Now()
				go func() { answers <- []string{h.value("a"), h.value("b"), h.value("new")} }()
				go func() {
					y := h.begin(2)
					answers <- []string{valueOf(t, y.read("a")), valueOf(t, y.read("b")), valueOf(t, y.read("new"))}
				}()
				go func() {
					page, err := h.s.Scan(t.Context(), dbclient.ScanRequest{})
					values := map[string]string{}
					for _, d := range page.Documents {
						o, _ := parseObject(d)
						values[unquote(o.value("_key"))] = string(o.value("n"))
					}
					if err == nil {
						err = h.s.Transactions().Settled(t.Context())
					}
					if err != nil {
						values["a"] = err.Error()
					}
					answers <- []string{values["a"], values["b"], values["new"]}
				}()
				time.Sleep(3 * time.Second)
				found, err := h.s.Transactions().Resolve(t.Context(), 1, commit, true)
				require.NoError(t, err)
				require.True(t, found)
				x.release()
				want := []string{"0", "0", ""}
				if commit {
					want = []string{"1", "", "1"}
				}
				got := [][]string{<-answers, <-answers, <-answers}
				for i := range got {
					require.Equal(t, want, got[i], "a reader did not wait for what is prepared")
				}
				require.Equal(t, 3*time.Second, time.Since(begun))
				found, err = h.s.Transactions().Resolve(t.Context(), 1, commit, true)
				require.NoError(t, err)
				require.False(t, found)
			})
		})
	}
}

// A reader does not wait for ever for what nobody resolves, and it is told what it waits for.
func TestReaderOfWhatStaysPrepared(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		x := h.prepared(77)
		r := one(t, h.s, dbclient.Op{Kind: dbclient.OpRead, Key: "a"})
		fails(t, r, apierror.LockTimeout)
		require.ErrorContains(t, r.Error, "transaction 77")
		require.ErrorContains(t, r.Error, "s7")
		require.ErrorIs(t, h.s.Transactions().Settled(t.Context()), apierror.LockTimeout)
		_, err := h.s.Scan(t.Context(), dbclient.ScanRequest{})
		require.ErrorIs(t, err, apierror.LockTimeout)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.s.Transactions().Settled(ctx), context.DeadlineExceeded)
		h.s.Follow(Tenure{1, 1})
		require.NoError(t, h.s.Transactions().Settled(t.Context()), "a replica that does not lead keeps readers out")
		require.NoError(t, h.s.Lead(Tenure{2, 1}, solo{h.o.env.Engine}, true))
		x.release()
		_, err = h.s.Transactions().Resolve(t.Context(), 77, false, false)
		require.NoError(t, err)
	})
}

// A reader that waits when the leadership ends is told so.
func TestLeadershipEndsUnderAReader(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		h.prepared(1)
		time.AfterFunc(time.Second, func() { h.s.Follow(Tenure{1, 1}) })
		require.ErrorIs(t, h.s.Transactions().Settled(t.Context()), apierror.NotLeader)
		require.NoError(t, h.s.Lead(Tenure{2, 1}, solo{h.o.env.Engine}, true))
		_, err := h.s.Transactions().Resolve(t.Context(), 1, true, false)
		require.NoError(t, err)
		require.Equal(t, "1", h.value("a"))
	})
}

// A new leader has the locks of what is prepared, and no others; it lets them go when that is resolved.
func TestLocksAreInherited(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		x, open := h.prepared(1), h.begin(2)
		open.put("free", 1)
		h.s.Follow(Tenure{1, 1})
		require.NoError(t, h.s.Lead(Tenure{2, 1}, solo{h.o.env.Engine}, true))
		x.release() // it has nothing any more
		require.Nil(t, one(t, h.s, put("free", 2)).Error, "a lock of a part that is void is left")
		y := h.begin(3)
		for _, key := range []string{"a", "b", "new"} {
			r := y.put(key, 7)
			fails(t, r, apierror.LockTimeout, "what is prepared is written by another: "+key)
			require.ErrorContains(t, r.Error, "transaction 1 has held it")
		}
		require.ErrorIs(t, h.s.Truncate(t.Context(), dbclient.TruncateRequest{Waiting: dbclient.Waiting{}}), apierror.LockTimeout)
		found, err := h.s.Transactions().Resolve(t.Context(), 1, true, true)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, []string{"1", "", "1"}, []string{h.value("a"), h.value("b"), h.value("new")})
		require.Nil(t, y.put("a", 7).Error)
		y.end()
		open.end()
	})
}

// A truncation that is prepared keeps out everything.
func TestPreparedTruncation(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		x := h.begin(1)
		require.NoError(t, x.Truncate(t.Context()))
		x.put("a", 4)
		x.put("c", 4)
		x.remove("c")
		require.Equal(t, []string{"4", "", ""}, []string{valueOf(t, x.read("a")), valueOf(t, x.read("b")), valueOf(t, x.read("c"))})
		require.NoError(t, x.Prepare(t.Context(), home))
		require.NoError(t, h.s.Lead(Tenure{2, 1}, solo{h.o.env.Engine}, true))
		for _, key := range []string{"b", "none"} {
			fails(t, one(t, h.s, put(key, 9)), apierror.LockTimeout, key)
			fails(t, one(t, h.s, dbclient.Op{Kind: dbclient.OpRead, Key: key}), apierror.LockTimeout, key)
		}
		_, err := h.s.Transactions().Resolve(t.Context(), 1, true, false)
		require.NoError(t, err)
		require.Equal(t, []string{"4", ""}, []string{h.value("a"), h.value("b")})
		require.EqualValues(t, 1, h.s.State().Count)
	})
}
