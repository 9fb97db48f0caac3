package transaction_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/route"
	"stasis/coordinator/transaction"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

func ptr[T any](v T) *T { return &v }

// What a transaction has not declared, it must not write, nor read unless that is allowed.
func TestDeclarations(t *testing.T) {
	test(t, nil, func(f *fixture) {
		k := keyOn(1, 1, 0)
		for _, c := range []struct {
			spec        map[string]transaction.Access
			implicit    bool
			read, write bool
		}{
			{nil, true, true, false},
			{nil, false, false, false},
			{map[string]transaction.Access{"c": transaction.Read}, false, true, false},
			{map[string]transaction.Access{"10": transaction.Write}, false, true, true},
			{map[string]transaction.Access{"10": transaction.Read, "c": transaction.Exclusive}, false, true, true},
		} {
			id := f.begin(func(s *transaction.Spec) { s.Collections, s.Implicit = c.spec, c.implicit })
			_, err := f.read(id, k)
			if c.read {
				require.ErrorIs(t, err, apierror.DocumentNotFound, "%v", c)
			} else {
				require.ErrorIs(t, err, apierror.TransactionUndeclared, "%v", c)
			}
			if err = f.write(id, k, `1`); c.write {
				require.NoError(t, err, "%v", c)
			} else {
				require.ErrorIs(t, err, apierror.TransactionUndeclared, "%v", c)
				require.Equal(t, 400, apierror.From(err).Status())
			}
			_, err = f.m.Abort(context.Background(), "db", id)
			require.NoError(t, err)
		}
		require.Equal(t, 1, f.world.count("whole read"))
		require.Equal(t, 1, f.world.count("whole write"))
		for num, s := range map[apierror.Num]transaction.Spec{
			apierror.CollectionNotFound: {Database: "db", Collections: map[string]transaction.Access{"x": transaction.Read}},
			apierror.DatabaseNotFound:   {Database: "x", Collections: map[string]transaction.Access{"c": transaction.Read}},
			apierror.BadParameter:       {Database: "db", LockTimeout: ptr(-1.0)},
		} {
			_, err := f.m.Begin(context.Background(), s)
			require.ErrorIs(t, err, num)
		}
		for _, s := range []transaction.Spec{{LockTimeout: ptr(1e9)}, {MaxBytes: 1 << 40}, {MaxBytes: -1}} {
			_, err := f.m.Begin(context.Background(), s)
			require.ErrorIs(t, err, apierror.BadParameter)
		}
	}, "A")
}

// Counts and pages are of what is committed with the transaction's own writes; a truncate is one of these.
func TestWholeCollections(t *testing.T) {
	test(t, nil, func(f *fixture) {
		ref := route.Ref{Database: "db", Name: "c"}
		id := f.twoShards()
		require.NoError(t, f.commit(id))
		time.Sleep(time.Second)
		id = f.begin(writing)
		require.NoError(t, f.write(id, keyOn(1, 2, 1), `1`))
		ctx, leave, err := f.m.Join(context.Background(), "db", id)
		require.NoError(t, err)
		count, _, err := f.router.Count(ctx, ref)
		require.NoError(t, err)
		require.EqualValues(t, 3, count)
		page, err := f.router.Scan(ctx, route.Place{Ref: ref, Epoch: 1, Shard: 1}, dbclient.ScanRequest{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Documents, 1)
		_, _, err = f.router.Checksum(ctx, ref)
		require.ErrorIs(t, err, apierror.TransactionDisallowed)
		require.ErrorIs(t, f.commit(id), apierror.Locked, "an operation goes on")
		require.NoError(t, f.router.Truncate(ctx, ref, true))
		leave()
		require.NoError(t, f.commit(id))
		time.Sleep(time.Second)
		require.Empty(t, f.world.stored("s1", keyOn(1, 2, 0))+f.world.stored("s2", keyOn(2, 2, 0)))
	}, "A", "B")
}

// A conflict, or a lock that is not free, is the operation's error. The transaction goes on.
func TestErrorsOfOperations(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.begin(writing)
		results, err := f.do(id, dbclient.Op{Kind: dbclient.OpReplace, Key: "locked"}, dbclient.Op{Kind: dbclient.OpReplace, Key: "free", Document: json.RawMessage(`1`)})
		require.ErrorIs(t, err, apierror.Conflict)
		require.ErrorContains(t, err, "transaction 7")
		require.Nil(t, results[1].Error)
		require.NoError(t, f.commit(id))
		require.Equal(t, "1", f.world.stored("s1", "free"))
		require.Equal(t, 1, f.world.count("decide"))

		id = f.begin(writing)
		_, err = f.do(id, dbclient.Op{Kind: dbclient.OpReplace, Key: "locked"})
		require.ErrorIs(t, err, apierror.Conflict)
		require.NoError(t, f.commit(id), "nothing was written")
		require.Equal(t, 1, f.world.count("decide"))
	}, "A")
}

// A transaction writes no more than it may.
func TestSize(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.begin(func(s *transaction.Spec) { s.MaxBytes = 100 })
		require.NoError(t, f.write(id, "a", `"`+strings.Repeat("x", 60)+`"`))
		err := f.write(id, "b", `"`+strings.Repeat("x", 60)+`"`)
		require.ErrorIs(t, err, apierror.ResourceLimit)
		require.Equal(t, 400, apierror.From(err).Status())
		_, err = f.do(id, dbclient.Op{Kind: dbclient.OpReplace, Key: "locked", Document: json.RawMessage(`"` + strings.Repeat("x", 20) + `"`)})
		require.ErrorIs(t, err, apierror.Conflict, "what is not written does not count")
		require.NoError(t, f.write(id, "b", `"`+strings.Repeat("x", 20)+`"`))
		require.NoError(t, f.commit(id))
	}, "A")
}

// What cannot go on ends the transaction, with a reason; it frees what it has, and is not done elsewhere.
func TestEndsOfATransaction(t *testing.T) {
	for name, c := range map[string]struct {
		what func(f *fixture, id dbclient.TxnID) error
		says string
	}{
		"another leader": {func(f *fixture, id dbclient.TxnID) error {
			f.world.move("s1", "http://b")
			f.plan.become(f.t, 1, "B", "B")
			return f.write(id, keyOn(1, 2, 1), `2`)
		}, "another leader"},
		"no leader any more": {func(f *fixture, id dbclient.TxnID) error {
			f.world.once("write", unled)
			return f.write(id, keyOn(1, 2, 1), `2`)
		}, "no leader any more"},
		"a lost part": {func(f *fixture, id dbclient.TxnID) error {
			f.world.restart("http://a")
			return f.write(id, keyOn(1, 2, 1), `2`)
		}, "is gone"},
		"a lost answer": {func(f *fixture, id dbclient.TxnID) error {
			f.world.once("write", after)
			return f.write(id, keyOn(1, 2, 1), `2`)
		}, "unknown"},
		"a server that has lost it and is kept": {func(f *fixture, id dbclient.TxnID) error {
			f.world.restart("http://a")
			time.Sleep(6 * time.Second)
			return f.write(id, keyOn(2, 2, 1), `2`)
		}, "is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			test(t, nil, func(f *fixture) {
				id := f.twoShards()
				f.world.fail(nil)
				err := c.what(f, id)
				require.ErrorIs(t, err, apierror.TransactionAborted, "it goes on although something of it may be lost")
				require.Equal(t, 410, apierror.From(err).Status())
				require.ErrorContains(t, err, c.says)
				require.Equal(t, "aborted", f.state(id))
				require.ErrorIs(t, f.commit(id), apierror.TransactionDisallowed)
				_, err = f.m.Abort(context.Background(), "db", id)
				require.NoError(t, err, "it is")
				require.Empty(t, f.world.settle(), "nothing is left of it")
				require.Zero(t, f.world.count("decide"))
			}, "A", "B")
		})
	}
}

// A shard that was not touched before may be looked for, as outside of transactions; a read whose answer is lost is read again.
func TestWhatIsSentAgain(t *testing.T) {
	test(t, nil, func(f *fixture) {
		for kind, call := range map[fault]string{unled: "write", unsent: "write", before: "read"} {
			id := f.begin(writing)
			f.world.once(call, kind)
			if call == "write" {
				require.NoError(t, f.write(id, keyOn(1, 2, 0), `1`))
			} else {
				_, err := f.read(id, keyOn(2, 2, 5))
				require.ErrorIs(t, err, apierror.DocumentNotFound)
			}
			require.NoError(t, f.commit(id))
		}
		id := f.begin(writing)
		f.world.once("open", after)
		require.NoError(t, f.write(id, keyOn(1, 2, 0), `1`))
		require.NoError(t, f.commit(id))
		require.Empty(t, f.world.settle())
	}, "A", "B")
}

// A server knows before the first write there that the transaction is inside the gate of another one.
func TestElsewhere(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.begin(writing)
		for _, shard := range []int{1, 2} {
			_, err := f.read(id, keyOn(shard, 2, 0))
			require.ErrorIs(t, err, apierror.DocumentNotFound)
		}
		require.NoError(t, f.write(id, keyOn(1, 2, 0), `1`))
		require.False(t, f.world.knows("http://a", id))
		require.False(t, f.world.knows("http://b", id))
		require.NoError(t, f.write(id, keyOn(2, 2, 0), `1`))
		require.True(t, f.world.knows("http://b", id))
		require.Equal(t, 3, f.world.count("open"))
		require.NoError(t, f.write(id, keyOn(1, 2, 0), `1`))
		require.Equal(t, 3, f.world.count("open"))
	}, "A", "B")
}

func (w *world) knows(url string, id dbclient.TxnID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.servers[url].parts[id].known
}

// A transaction that nobody uses is aborted, and known for some time. One that is used lives.
func TestIdle(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.twoShards()
		for range 10 {
			time.Sleep(50 * time.Second)
			_, err := f.read(id, keyOn(1, 2, 0))
			require.NoError(t, err)
		}
		require.Greater(t, f.world.count("keep"), 100)
		ctx, leave, err := f.m.Join(context.Background(), "db", id)
		require.NoError(t, err)
		time.Sleep(5 * time.Minute)
		require.NoError(t, ctx.Err(), "an operation goes on")
		leave()
		time.Sleep(62 * time.Second)
		s, err := f.m.Status("db", id)
		require.NoError(t, err)
		require.Equal(t, "aborted", s.State)
		require.Contains(t, s.Why, "idle for 1m0s")
		require.ErrorIs(t, f.write(id, "k", `1`), apierror.TransactionAborted)
		require.Empty(t, f.world.settle())
		time.Sleep(6 * time.Minute)
		_, err = f.m.Status("db", id)
		require.ErrorIs(t, err, apierror.TransactionNotFound)
	}, "A", "B")
}

// Ids are of one database; what has ended is bounded, and so is what is open.
func TestBounds(t *testing.T) {
	test(t, func(o *transaction.Options) { o.Limits.Finished, o.Limits.Open = 3, 2 }, func(f *fixture) {
		var ids []dbclient.TxnID
		for range 5 {
			ids = append(ids, f.begin(writing))
			require.NoError(t, f.commit(ids[len(ids)-1]))
		}
		for i, id := range ids {
			_, err := f.m.Status("db", id)
			require.Equal(t, i >= 2, err == nil, "%d %v", i, err)
		}
		_, err := f.m.Status("else", ids[4])
		require.ErrorIs(t, err, apierror.TransactionNotFound)
		require.Equal(t, 404, apierror.From(err).Status())
		a := f.begin(writing)
		f.begin(func(s *transaction.Spec) { s.Collections = nil })
		_, err = f.m.Begin(context.Background(), transaction.Spec{Database: "db"})
		require.ErrorIs(t, err, apierror.ResourceLimit)
		require.Len(t, f.m.Open("db"), 2)
		require.Empty(t, f.m.Open("else"))
		f.m.AbortWrites(context.Background(), "told so")
		require.Equal(t, "aborted", f.state(a))
		require.Len(t, f.m.Open("db"), 1, "that one may write nothing")
		metrics := map[string]string{}
		for _, m := range f.m.Metrics() {
			metrics[m.Name] = fmt.Sprint(m.Value)
		}
		require.Equal(t, "1", metrics["stasis_transactions"])
		require.Equal(t, "7", metrics["stasis_transactions_begun_total"])
		require.Equal(t, "1", metrics["stasis_transactions_refused_total"])
		require.Equal(t, "5", metrics["stasis_transactions_committed_total"])
		require.Equal(t, "1", metrics["stasis_transactions_aborted_total"])
		parsed, err := transaction.ParseID(a.String())
		require.NoError(t, err)
		require.Equal(t, a, parsed)
		for _, bad := range []string{"", "0", "-1", "x", "9223372036854775808"} {
			_, err := transaction.ParseID(bad)
			require.ErrorIs(t, err, apierror.BadParameter)
		}
		by, ok := transaction.BeganAt(f.catalog.Cached(), a)
		require.True(t, ok)
		require.Equal(t, me, by)
		_, ok = transaction.BeganAt(f.catalog.Cached(), 17)
		require.False(t, ok)
	}, "A")
}

// A coordinator that stops aborts what is open, and finishes what is decided.
func TestStop(t *testing.T) {
	test(t, nil, func(f *fixture) {
		open, decided := f.twoShards(), f.twoShards()
		ctx, leave, err := f.m.Join(context.Background(), "db", open)
		require.NoError(t, err)
		f.world.fail(func(call, _ string) fault {
			if call == "resolve" {
				return before
			}
			return none
		})
		require.NoError(t, f.commit(decided))
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			f.stop()
		}()
		<-ctx.Done()
		_, err = f.m.Begin(context.Background(), transaction.Spec{Database: "db"})
		require.ErrorIs(t, err, apierror.ShuttingDown)
		leave()
		f.world.fail(nil)
		<-stopped
		require.Equal(t, "aborted", f.state(open))
		require.Equal(t, `1`, f.world.stored("s2", keyOn(2, 2, 0)))
		require.Empty(t, f.world.settle())
	}, "A", "B")
}
