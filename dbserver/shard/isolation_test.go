package shard

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
)

// What transactions may see of each other, by the names of Adya's phenomena. Each case says what happens; a line that is
// missing would change it.
func TestIsolation(t *testing.T) {
	for name, test := range map[string]func(*testing.T, *shop){
		"dirty write (G0) waits": func(t *testing.T, h *shop) {
			x, y := h.begin(1), h.begin(2)
			x.put("a", 1)
			fails(t, y.put("a", 2), apierror.LockTimeout)
			fails(t, one(t, h.s, put("a", 3)), apierror.LockTimeout)
			x.end()
			require.Nil(t, y.put("a", 2).Error)
			y.end()
		},
		"dirty read (G1a, G1b)": func(t *testing.T, h *shop) {
			x, y := h.begin(1), h.begin(2)
			x.put("a", 1)
			require.Equal(t, "0", valueOf(t, y.read("a")))
			x.put("a", 2)
			require.Equal(t, "0", h.value("a"))
			x.end()
			require.Equal(t, "0", valueOf(t, y.read("a")))
		},
		"circular information flow (G1c)": func(t *testing.T, h *shop) {
			x, y := h.begin(1), h.begin(2)
			x.put("a", 1)
			y.put("b", 2)
			require.Equal(t, "0", valueOf(t, x.read("b")))
			require.Equal(t, "0", valueOf(t, y.read("a")))
			x.commit()
			y.commit()
		},
		"lost update": func(t *testing.T, h *shop) {
			x, y := h.begin(1), h.begin(2)
			require.Equal(t, "0", valueOf(t, x.read("a")))
			require.Equal(t, "0", valueOf(t, y.read("a")))
			y.put("a", 2)
			y.commit()
			r := x.put("a", 1)
			fails(t, r, apierror.Conflict, "an update is lost")
			require.NotEmpty(t, r.Rev, "it does not say what is there")
			require.Equal(t, "2", valueOf(t, x.read("a")), "it may read what is there now")
			fails(t, x.put("a", 1), apierror.Conflict, "it is not sure what it had read")
			x.end()
			require.Equal(t, "2", h.value("a"))
		},
		"lost update of what was not there": func(t *testing.T, h *shop) {
			x := h.begin(1)
			require.Equal(t, "", valueOf(t, x.read("new")))
			require.Nil(t, one(t, h.s, put("new", 2)).Error)
			fails(t, x.put("new", 1), apierror.Conflict)
			x.end()
		},
		"lost update by a removal": func(t *testing.T, h *shop) {
			x := h.begin(1)
			require.Equal(t, "0", valueOf(t, x.read("a")))
			require.Nil(t, one(t, h.s, dbclient.Op{Kind: dbclient.OpRemove, Key: "a"}).Error)
			fails(t, x.put("a", 1), apierror.Conflict)
			x.end()
		},
		"lost update by a truncation": func(t *testing.T, h *shop) {
			x := h.begin(1)
			require.Equal(t, "0", valueOf(t, x.read("a")))
			require.Nil(t, one(t, h.s, put("a", 2)).Error)
			require.ErrorIs(t, x.Truncate(t.Context()), apierror.Conflict)
			x.end()
		},
		"what it has written itself is no conflict": func(t *testing.T, h *shop) {
			x := h.begin(1)
			require.Equal(t, "0", valueOf(t, x.read("a")))
			for n := range 3 {
				require.Nil(t, x.put("a", n).Error)
				require.Equal(t, fmt.Sprint(n), valueOf(t, x.read("a")))
			}
			require.Nil(t, x.remove("a").Error)
			fails(t, x.remove("a"), apierror.DocumentNotFound)
			require.Nil(t, x.put("a", 9).Error)
			x.commit()
			require.Equal(t, "9", h.value("a"))
		},
		"fuzzy read (G-single) is possible": func(t *testing.T, h *shop) {
			x := h.begin(1)
			require.Equal(t, "0", valueOf(t, x.read("a")))
			require.Nil(t, one(t, h.s, put("a", 2)).Error)
			require.Equal(t, "2", valueOf(t, x.read("a")))
		},
		"write skew (G2-item) is possible": func(t *testing.T, h *shop) {
			x, y := h.begin(1), h.begin(2)
			x.read("b")
			y.read("a")
			x.put("a", 1)
			y.put("b", 1)
			x.commit()
			y.commit()
			require.Equal(t, []string{"1", "1"}, []string{h.value("a"), h.value("b")})
		},
		"phantom (G2) is possible": func(t *testing.T, h *shop) {
			x := h.begin(1)
			require.Equal(t, []string{"a:0", "b:0"}, x.scan(t, 0))
			require.Nil(t, one(t, h.s, put("c", 2)).Error)
			require.Equal(t, []string{"a:0", "b:0", "c:2"}, x.scan(t, 0))
		},
		"with the whole shard none is": func(t *testing.T, h *shop) {
			x := h.begin(1)
			require.NoError(t, x.Whole(t.Context()))
			require.NoError(t, x.Whole(t.Context()))
			before := x.scan(t, 0)
			x.read("a")
			fails(t, one(t, h.s, put("c", 2)), apierror.LockTimeout, "another writes")
			y := h.begin(2)
			fails(t, y.put("a", 2), apierror.LockTimeout)
			require.ErrorIs(t, y.Whole(t.Context()), apierror.LockTimeout)
			require.Equal(t, before, x.scan(t, 0))
			x.put("a", 1)
			x.commit()
			require.Nil(t, y.put("a", 2).Error)
			y.end()
		},
		"deadlock ends at once": func(t *testing.T, h *shop) {
			x, y := h.begin(1), h.begin(2)
			x.put("a", 1)
			y.put("b", 2)
			waits := make(chan dbclient.OpResult)
			go func() { waits <- x.put("b", 1) }()
			time.Sleep(time.Millisecond)
			fails(t, y.put("a", 2), apierror.Deadlock)
			y.end()
			require.Nil(t, (<-waits).Error)
			x.end()
		},
		"no wait at all": func(t *testing.T, h *shop) {
			x := h.begin(1)
			x.put("a", 1)
			y := h.begin(2)
			y.limits.LockWait = 0
			begun := time.Now()
			fails(t, y.put("a", 1), apierror.LockTimeout)
			require.Zero(t, time.Since(begun))
			x.end()
			y.end()
		},
		"its client goes away while it waits": func(t *testing.T, h *shop) {
			x, y := h.begin(1), h.begin(2)
			x.put("a", 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			results, err := y.Documents(ctx, dbclient.DocumentsRequest{Ops: []dbclient.Op{put("a", 2)}})
			require.NoError(t, err)
			fails(t, results[0], apierror.Cancelled)
			x.end()
			y.end()
		},
	} {
		t.Run(name, func(t *testing.T) { inShop(t, test) })
	}
}

func (x *tx) commit() {
	x.h.t.Helper()
	require.NoError(x.h.t, x.Decide(x.h.t.Context(), nil, false))
	x.release()
}

// scan reads all documents in pages of so many.
func (x *tx) scan(t *testing.T, limit int) (all []string) {
	t.Helper()
	for r := (dbclient.ScanRequest{Limit: limit}); ; {
		page, err := x.Scan(t.Context(), r)
		require.NoError(t, err)
		for _, d := range page.Documents {
			o, ok := parseObject(d)
			require.True(t, ok)
			all = append(all, unquote(o.value("_key"))+":"+string(o.value("n")))
		}
		if !page.More {
			return all
		}
		r.After = page.LastKey
	}
}

// A scan has what the part has written in its place, whatever the pages are; so has a count.
func TestScanHasOwnWrites(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		for _, key := range []string{"c", "d", "e", "f"} {
			require.Nil(t, one(t, h.s, put(key, 0)).Error)
		}
		x := h.begin(1)
		x.put("0", 1)
		x.put("c", 1)
		x.remove("d")
		x.put("dd", 1)
		x.put("ee", 1)
		x.remove("ee")
		x.remove("f")
		x.put("z", 1)
		for limit := range 8 {
			require.Equal(t, []string{"0:1", "a:0", "b:0", "c:1", "dd:1", "e:0", "z:1"}, x.scan(t, limit), "pages of %d", limit)
		}
		count, err := x.Count(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 7, count.Count)
		require.NoError(t, x.Truncate(t.Context()))
		require.Empty(t, x.scan(t, 1))
		x.put("y", 2)
		x.put("b", 2)
		x.put("q", 2)
		x.remove("q")
		require.Equal(t, []string{"b:2", "y:2"}, x.scan(t, 1))
		count, err = x.Count(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, count.Count)
		x.commit()
		require.EqualValues(t, 2, h.s.State().Count)
	})
}

// What a part keeps is asked for before it is kept, once for each document; what is refused is not done.
func TestPartIsBounded(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		x := h.begin(1)
		x.put("a", 1)
		kept := x.asked
		require.Positive(t, kept)
		x.put("a", 2)
		require.Equal(t, kept, x.asked, "the same document is counted again")
		x.read("b")
		require.Greater(t, x.asked, kept)
		full := errors.New("full")
		x.limits.Bytes = func(int64) error { return apierror.New(apierror.ResourceLimit, "%w", full) }
		require.ErrorIs(t, x.put("b", 1).Error, full)
		require.ErrorIs(t, x.read("other").Error, full)
		require.Nil(t, x.put("a", 3).Error)
		x.limits.Bytes = nil
		x.kept = maxPartBytes
		fails(t, x.put("c", 1), apierror.ResourceLimit)
		x.commit()
		require.Equal(t, []string{"3", "0", ""}, []string{h.value("a"), h.value("b"), h.value("c")})
	})
}

// The rules of a document are those outside of transactions.
func TestPartHasTheRulesOfDocuments(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		x := h.begin(1)
		fails(t, x.do(dbclient.Op{Kind: dbclient.OpInsert, Key: "a", Document: raw(`{}`)}), apierror.UniqueConstraint)
		fails(t, x.do(dbclient.Op{Kind: dbclient.OpReplace, Key: "none", Document: raw(`{}`)}), apierror.DocumentNotFound)
		fails(t, x.do(dbclient.Op{Kind: dbclient.OpReplace, Key: "a", IfMatch: "other", Document: raw(`{}`)}), apierror.Conflict)
		fails(t, x.do(dbclient.Op{Kind: dbclient.OpInsert, Key: "a b", Document: raw(`{}`)}), apierror.DocumentKeyBad)
		fails(t, x.do(dbclient.Op{Kind: dbclient.OpUpdate, Key: "a", Document: raw(`{"n":1}`), ShardKeys: []string{"n"}}), apierror.ShardKeysChanged)
		require.False(t, x.Wrote(), "what is refused is written")
		first := x.do(dbclient.Op{Kind: dbclient.OpUpdate, Key: "a", Document: raw(`{"m":1}`)})
		require.Nil(t, first.Error)
		second := x.do(dbclient.Op{Kind: dbclient.OpUpdate, Key: "a", IfMatch: first.Rev, Document: raw(`{"k":1}`)})
		require.Equal(t, first.Rev, second.OldRev)
		require.JSONEq(t, fmt.Sprintf(`{"_key":"a","_id":"c/a","_rev":%q,"n":0,"m":1,"k":1}`, second.Rev), string(second.New))
		require.Nil(t, x.do(dbclient.Op{Kind: dbclient.OpInsert, Key: "a", OverwriteMode: dbclient.OverwriteIgnore, Document: raw(`{}`)}).Error)
		x.commit()
		require.Equal(t, second.Rev, one(t, h.s, dbclient.Op{Kind: dbclient.OpRead, Key: "a"}).Rev)
	})
}

// A resolution is repeated, and is not contradicted; a decision is not made twice.
func TestOutcomesAreNotContradicted(t *testing.T) {
	inShop(t, func(t *testing.T, h *shop) {
		x := h.prepared(1)
		y := h.begin(1)
		y.put("c", 1)
		require.ErrorIs(t, y.Decide(t.Context(), nil, false), apierror.BadParameter)
		require.ErrorIs(t, y.Prepare(t.Context(), home), apierror.BadParameter)
		require.ErrorIs(t, y.Prepare(t.Context(), dbclient.TxnShard{}), apierror.BadParameter)
		y.end()
		x.release()
		h.s.Alone(Tenure{1, 1}, false) // from now on the log is ahead of what is applied
		quorum := h.s.r.lead.quorum
		h.s.r.lead.quorum = undecided{}
		_, err := h.s.Transactions().Resolve(t.Context(), 1, true, false)
		require.ErrorIs(t, err, apierror.ConnectionLost)
		_, err = h.s.Transactions().Resolve(t.Context(), 1, false, false)
		require.ErrorIs(t, err, apierror.Conflict)
		seq := h.s.State().Last.Seq
		found, err := h.s.Transactions().Resolve(t.Context(), 1, true, false)
		require.ErrorIs(t, err, apierror.ConnectionLost)
		require.True(t, found)
		require.Equal(t, seq, h.s.State().Last.Seq, "it is resolved twice")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.s.Transactions().Settled(ctx), context.DeadlineExceeded, "a reader goes on before the end of a transaction is applied")
		_, err = h.s.Commit(seq)
		require.NoError(t, err)
		h.s.r.lead.quorum = quorum
		h.s.Alone(Tenure{1, 1}, true)
	})
}

// Who does not lead answers so.
func TestTransactionsNeedTheLeader(t *testing.T) {
	h := fresh(t)
	h.Follow(Tenure{1, 1})
	_, err := h.Transactions().Begin(1, &locks.Owner{Patient: true}, PartLimits{})
	require.ErrorIs(t, err, apierror.NotLeader)
	_, err = h.Transactions().Begin(0, &locks.Owner{Patient: true}, PartLimits{})
	require.ErrorIs(t, err, apierror.BadParameter)
	_, err = h.Transactions().Resolve(t.Context(), 1, true, true)
	require.ErrorIs(t, err, apierror.NotLeader)
	_, _, err = h.Transactions().Decision(t.Context(), 1)
	require.ErrorIs(t, err, apierror.NotLeader)
	_, err = h.Transactions().Decisions()
	require.ErrorIs(t, err, apierror.NotLeader)
	_, err = h.Transactions().Prepared()
	require.ErrorIs(t, err, apierror.NotLeader)
	require.ErrorIs(t, h.Transactions().Forget(t.Context(), []TxnID{1}), apierror.NotLeader)
}
