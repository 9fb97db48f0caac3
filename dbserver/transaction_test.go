package dbserver

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// What a transaction has written it sees itself, and nobody else before it commits.
func TestTransactionOnOneShard(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, _ := h.twoShards()
		x := h.begin()
		require.NoError(t, x.put(home, "a", 2))
		require.NoError(t, x.put(home, "b", 3))
		seen, err := x.get(home, "a")
		require.NoError(t, err)
		require.Equal(t, 2, seen)
		require.Equal(t, 1, home.read("a"))
		part := x.parts[home.to().URL]
		page, err := h.dbs.Scan(t.Context(), h.target(home.at()), home.shard, dbclient.ScanRequest{Transaction: &part})
		require.NoError(t, err)
		require.Len(t, page.Documents, 2)
		count, err := h.dbs.Count(t.Context(), h.target(home.at()), home.shard, dbclient.CountRequest{Transaction: &part})
		require.NoError(t, err)
		require.EqualValues(t, 2, count.Count)
		count, err = h.dbs.Count(t.Context(), h.target(home.at()), home.shard, dbclient.CountRequest{})
		require.NoError(t, err)
		require.EqualValues(t, 1, count.Count)

		st := home.at().ledger.Status()
		require.Equal(t, 1, st.Open)
		require.Positive(t, st.Bytes)
		require.NoError(t, x.decide(t.Context(), home))
		require.Equal(t, 2, home.read("a"))
		require.Equal(t, 3, home.read("b"))
		outcome, err := x.ask(home, true)
		require.NoError(t, err)
		require.Equal(t, dbclient.TxnCommitted, outcome)
		require.ErrorIs(t, x.decide(t.Context(), home), apierror.TxnGone, "it is committed")
		require.ErrorContains(t, x.put(home, "a", 9), "it is committed")
		require.NoError(t, x.forget(home))
		h.nothingIsHeld(home)
	})
}

// A truncation and a lock of the whole shard keep others out until the end.
func TestTransactionThatTruncates(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, _ := h.twoShards()
		x := h.begin()
		part, err := x.on(t.Context(), home.to())
		require.NoError(t, err)
		require.NoError(t, h.dbs.Truncate(t.Context(), h.target(home.at()), home.shard, dbclient.TruncateRequest{Transaction: &part}))
		require.Equal(t, 1, home.read("a"))
		y := h.begin()
		require.ErrorIs(t, y.put(home, "b", 1), apierror.LockTimeout)
		require.NoError(t, x.decide(t.Context(), home))
		require.Equal(t, 0, home.read("a"))
		require.NoError(t, y.put(home, "b", 1))
		require.NoError(t, y.end(home, false))
		require.Equal(t, 0, home.read("b"))
		h.nothingIsHeld(home)
	})
}

// Two-phase commit, as it goes when nothing fails. Everything is released with the resolution, and before it is forgotten.
func TestTwoPhaseCommit(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		x, home, other := h.onTwoShards()
		require.ErrorIs(t, x.prepare(t.Context(), other, home), apierror.PreconditionFailed, "it prepares outside the gate")
		require.NoError(t, x.commit(home, other, hasPrepared))
		outcome, err := x.ask(home, false)
		require.NoError(t, err)
		require.Equal(t, dbclient.TxnUndecided, outcome)
		require.Equal(t, 1, home.read("a"))
		require.NoError(t, x.decide(t.Context(), home, other))
		require.Equal(t, 2, home.read("a"))
		require.NoError(t, x.resolve(t.Context(), other, true))
		require.NoError(t, x.resolve(t.Context(), other, true), "it can be repeated")
		require.Equal(t, 2, other.read("a"))
		require.NoError(t, x.forget(home))
		require.NoError(t, x.forget(home), "it can be repeated")
		h.nothingIsHeld(home, other)
	})
}

// A reader that has seen one write of a transaction sees the others: it waits for what is prepared.
func TestReadersWaitForWhatIsPrepared(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		x, home, other := h.onTwoShards()
		require.NoError(t, x.commit(home, other, hasDecided))
		require.Equal(t, 2, home.read("a"))
		seen := make(chan int, 1)
		h.holds.Go(func() { seen <- other.read("a") })
		time.Sleep(time.Second)
		require.Empty(t, seen, "it reads the past")
		require.NoError(t, x.resolve(t.Context(), other, true))
		require.Equal(t, 2, <-seen)
	})
}

// What is asked of a part that is not there is refused, and says why. Requests that make no sense are refused.
func TestPartsThatAreNotThere(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, other := h.twoShards()
		x := h.begin()
		require.NoError(t, x.put(home, "a", 2))
		ctx, to := t.Context(), home.to()
		part := x.parts[to.URL]

		again, err := x.calls().Open(ctx, to, dbclient.TxnOpenRequest{ID: x.id, Coordinator: "CRDN-1", MaxBytes: 1})
		require.NoError(t, err)
		require.Equal(t, part.Token, again.Token, "it is opened once")
		_, err = x.calls().Open(ctx, to, dbclient.TxnOpenRequest{ID: x.id, Coordinator: "CRDN-2", MaxBytes: 1})
		require.ErrorIs(t, err, apierror.BadParameter)
		for _, bad := range []dbclient.TxnOpenRequest{
			{Coordinator: "c", MaxBytes: 1}, {ID: 9, MaxBytes: 1}, {ID: 9, Coordinator: "c"}, {ID: 9, Coordinator: "c", MaxBytes: 1, LockTimeout: -1},
			{ID: 9, Coordinator: "c", MaxBytes: 1, Age: 1e9},
		} {
			_, err = x.calls().Open(ctx, to, bad)
			require.ErrorIs(t, err, apierror.BadParameter, "%+v", bad)
		}
		wrong := part
		wrong.Token = "other"
		for name, err := range map[string]error{
			"enter":   x.calls().Enter(ctx, to, dbclient.TxnEnterRequest{TxnPart: wrong}),
			"prepare": x.calls().Prepare(ctx, to, home.shard, dbclient.TxnPrepareRequest{TxnPart: wrong, Home: other.wire()}),
			"decide":  x.calls().Decide(ctx, to, home.shard, dbclient.TxnDecideRequest{TxnPart: wrong}),
			"commit":  x.calls().End(ctx, to, dbclient.TxnEndRequest{TxnPart: wrong, Commit: true}),
		} {
			require.ErrorIs(t, err, apierror.TxnGone, "a part answers to a wrong token: %s", name)
		}
		kept, err := x.calls().Keep(ctx, to, dbclient.TxnKeepRequest{Parts: []dbclient.TxnPart{part, wrong, {ID: 77, Token: "x"}}})
		require.NoError(t, err)
		require.Len(t, kept.Gone, 2)
		require.Contains(t, kept.Gone[77], "never been here")
		require.NoError(t, x.calls().Leave(ctx, to, wrong), "it is outside")

		require.ErrorIs(t, x.calls().End(ctx, to, dbclient.TxnEndRequest{TxnPart: part, Commit: true}), apierror.BadParameter, "it has written")
		require.NoError(t, x.enter(ctx, home))
		require.ErrorIs(t, x.prepare(ctx, home, home), apierror.BadParameter, "its own home")
		y := h.begin()
		_, err = y.get(home, "a")
		require.NoError(t, err)
		require.NoError(t, y.enter(ctx, home))
		require.ErrorIs(t, y.decide(ctx, home), apierror.BadParameter, "nothing is written")
		require.ErrorIs(t, y.prepare(ctx, home, other), apierror.BadParameter, "nothing is written")
		require.NoError(t, y.end(home, true))
		require.ErrorIs(t, y.end(home, true), apierror.TxnGone)
		require.NoError(t, y.end(home, false), "that is no error then")

		require.NoError(t, x.end(home, false))
		_, err = x.calls().Open(ctx, to, dbclient.TxnOpenRequest{ID: x.id, Coordinator: "CRDN-1", MaxBytes: 1})
		require.ErrorContains(t, err, "the test ends it")
		require.Equal(t, 1, home.read("a"))
		h.nothingIsHeld(home)
	})
}

// Writes of transactions have a name, like other writes.
func TestTransactionsNeedNames(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, _ := h.twoShards()
		for _, path := range []string{dbclient.PathTxnEnter, onHome(dbclient.PathTxnPrepare), onHome(dbclient.PathTxnDecide), onHome(dbclient.PathTxnResolve)} {
			require.ErrorIs(t, h.post(home.at(), path, "", struct{}{}, nil), apierror.BadParameter, path)
		}
	})
}

// What is too large is refused, and what was written before stays.
func TestPartsAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, _ := h.twoShards()
		x := h.begin()
		big := make([]byte, 600<<10)
		for i := range big {
			big[i] = 'x'
		}
		doc, err := json.Marshal(map[string]any{"v": 5, "big": string(big)})
		require.NoError(t, err)
		_, err = x.documents(t.Context(), home, dbclient.Op{Kind: dbclient.OpInsert, Key: "b", Document: doc})
		require.NoError(t, err)
		_, err = x.documents(t.Context(), home, dbclient.Op{Kind: dbclient.OpInsert, Key: "c", Document: doc})
		require.ErrorIs(t, err, apierror.ResourceLimit)
		require.NoError(t, x.decide(t.Context(), home))
		require.Equal(t, 5, home.read("b"))
		require.Equal(t, 0, home.read("c"))
		require.Zero(t, home.at().ledger.Status().Bytes)
	})
}

// A part whose coordinator does not say that it lives is ended; one whose coordinator does is not.
func TestSilentCoordinator(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, _ := h.twoShards()
		x, y := h.begin(), h.begin()
		require.NoError(t, x.put(home, "a", 2))
		require.NoError(t, y.put(home, "b", 2))
		for range 10 {
			time.Sleep(5 * time.Second)
			kept, err := y.calls().Keep(t.Context(), h.target(home.at()), dbclient.TxnKeepRequest{Parts: []dbclient.TxnPart{y.parts[home.to().URL]}})
			require.NoError(t, err)
			require.Empty(t, kept.Gone)
		}
		require.NoError(t, h.put(home.at(), home.shard, "a", `{"v":1}`), "the lock of a transaction outlives its coordinator")
		require.ErrorContains(t, x.put(home, "a", 3), "coordinator CRDN-1 has not said for 30s that it lives")
		require.Equal(t, 1, home.at().ledger.Status().Open)
		require.NoError(t, y.decide(t.Context(), home))
		require.Equal(t, 2, home.read("b"))
		h.nothingIsHeld(home)
	})
}

// A request that waits for a lock ends with its part.
func TestEndOfAPartEndsItsWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, _ := h.twoShards()
		x, y := h.begin(), h.begin()
		require.NoError(t, x.put(home, "a", 2))
		_, err := y.calls().Open(t.Context(), h.target(home.at()), dbclient.TxnOpenRequest{ID: y.id, Coordinator: "CRDN-1", MaxBytes: 1 << 20, LockTimeout: 600})
		require.NoError(t, err)
		waits := make(chan error, 1)
		h.holds.Go(func() { waits <- y.put(home, "a", 3) })
		time.Sleep(2 * time.Second)
		require.Empty(t, waits)
		answer, err := y.calls().Open(t.Context(), h.target(home.at()), dbclient.TxnOpenRequest{ID: y.id, Coordinator: "CRDN-1", MaxBytes: 1})
		require.NoError(t, err)
		require.NoError(t, y.calls().End(t.Context(), h.target(home.at()), dbclient.TxnEndRequest{TxnPart: dbclient.TxnPart{ID: y.id, Token: answer.Token}, Reason: "enough"}))
		require.ErrorContains(t, <-waits, "enough")
		require.NoError(t, x.decide(t.Context(), home))
		h.nothingIsHeld(home)
	})
}

// A server that starts again knows no part of before.
func TestPartsEndWithTheServer(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, _ := h.twoShards()
		x := h.begin()
		require.NoError(t, x.put(home, "a", 2))
		h.stop("db1")
		h.start("db1")
		require.ErrorContains(t, x.put(home, "a", 3), "started again")
		require.Equal(t, 1, home.read("a"))
		h.nothingIsHeld(home)
	})
}

// A backup with force aborts what is open, and nothing that commits. Who does not hold the agency lock aborts nothing.
func TestForceAbortsWhatIsOpen(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, other := h.twoShards()
		x, y, z := h.begin(), h.begin(), h.begin()
		require.NoError(t, x.put(home, "a", 2))
		require.NoError(t, y.put(home, "b", 2))
		require.NoError(t, y.put(other, "b", 2))
		require.NoError(t, y.commit(home, other, hasPrepared))
		_, err := z.get(home, "a")
		require.NoError(t, err)
		time.Sleep(3 * time.Second)
		abort := func(nonce string) (dbclient.TxnAbortResponse, error) {
			return x.calls().AbortOpen(t.Context(), h.target(home.at()), dbclient.TxnAbortRequest{Backup: "b-1", Nonce: nonce})
		}
		_, err = abort("n")
		require.ErrorIs(t, err, apierror.BackupConflict)
		h.lock("b-1", "n")
		answer, err := abort("n")
		require.NoError(t, err)
		require.Len(t, answer.Aborted, 1)
		require.Equal(t, x.id, answer.Aborted[0].ID)
		require.InDelta(t, 3, answer.Aborted[0].Age, 0.5)
		require.ErrorContains(t, x.put(home, "a", 3), "backup b-1 has aborted it, with force")
		h.unlock("n", nil)
		require.NoError(t, y.decide(t.Context(), home, other))
		require.NoError(t, y.resolve(t.Context(), other, true))
		_, err = z.get(home, "a")
		require.NoError(t, err, "it has written nothing: it is in nobody's way")
		require.NoError(t, z.end(home, true))
		require.Equal(t, 1, home.read("a"))
		require.Equal(t, 2, other.read("b"))
		h.nothingIsHeld(home, other)
	})
}

// The report of a gate that is not granted names the transaction, its age and its coordinator.
func TestGateNamesTheOpenTransaction(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, _ := h.twoShards()
		x := h.begin()
		time.Sleep(2 * time.Second)
		require.NoError(t, x.put(home, "a", 2))
		time.Sleep(time.Second)
		h.lock("b", "n")
		_, err := h.hold(t.Context(), h.target(home.at()), lockB)
		require.ErrorIs(t, err, apierror.LockTimeout, "a gate is granted with an open transaction inside")
		require.ErrorContains(t, err, "1 transactions still open: transaction 1 of coordinator CRDN-1, which began 4")
		h.unlock("n", nil)
		require.NoError(t, x.decide(t.Context(), home))
		h.nothingIsHeld(home)
	})
}
