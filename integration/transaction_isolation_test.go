package integration

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
)

// isolated are two documents on two shards, x and y, both 0 at the beginning, and transactions on them.
type isolated struct {
	*bubble
	open []*client.Transaction
}

func (i *isolated) begin(at int) *client.Transaction {
	i.t.Helper()
	trx, err := i.clients[at].Database("").Begin(i.t.Context(), client.TransactionOptions{Write: []string{"x", "y"}})
	require.NoError(i.t, err)
	i.open = append(i.open, trx)
	return trx
}

// outside is a database without a transaction.
func (i *isolated) outside() *client.Database { return i.clients[1].Database("") }

func (i *isolated) read(db *client.Database, collection string) (n int) {
	i.t.Helper()
	var doc struct{ N int }
	require.NoError(i.t, db.Read(i.t.Context(), client.Ref{Collection: collection, Key: "k"}, &doc))
	return doc.N
}

func (i *isolated) write(db *client.Database, collection string, n int) error {
	return db.Put(i.t.Context(), collection, map[string]any{"_key": "k", "n": n})
}

func (i *isolated) must(err error) {
	i.t.Helper()
	require.NoError(i.t, err)
}

// anomalies are those of Adya's Weak Consistency and of Berenson et al., each as its shortest history: what may happen does, what
// cannot does not.
var anomalies = []struct {
	name    string
	happens func(i *isolated) bool
	may     bool
}{
	{"G0 dirty write", func(i *isolated) bool {
		a, b := i.begin(0), i.begin(1)
		i.must(i.write(a.Database(), "x", 1))
		if err := i.write(b.Database(), "x", 2); err == nil {
			return true
		} else if !errors.Is(err, client.ErrConflict) {
			i.must(err)
		}
		i.must(i.write(a.Database(), "y", 1))
		i.must(a.Commit(i.t.Context()))
		return i.read(i.outside(), "x") != 1 || i.read(i.outside(), "y") != 1
	}, false},
	{"G1a aborted read", func(i *isolated) bool {
		a := i.begin(0)
		i.must(i.write(a.Database(), "x", 1))
		seen := i.read(i.outside(), "x") + i.read(i.begin(1).Database(), "x")
		i.must(a.Abort(i.t.Context()))
		return seen+i.read(i.outside(), "x") != 0
	}, false},
	{"G1b intermediate read", func(i *isolated) bool {
		a := i.begin(0)
		i.must(i.write(a.Database(), "x", 1))
		seen := i.read(i.begin(1).Database(), "x")
		i.must(i.write(a.Database(), "x", 2))
		i.must(a.Commit(i.t.Context()))
		return seen == 1 || i.read(i.outside(), "x") != 2
	}, false},
	{"G1c circular information flow", func(i *isolated) bool {
		a, b := i.begin(0), i.begin(1)
		i.must(i.write(a.Database(), "x", 1))
		i.must(i.write(b.Database(), "y", 1))
		ofB, ofA := i.read(a.Database(), "y"), i.read(b.Database(), "x")
		i.must(a.Commit(i.t.Context()))
		i.must(b.Commit(i.t.Context()))
		return ofB == 1 && ofA == 1
	}, false},
	{"lost update", func(i *isolated) bool {
		a, b := i.begin(0), i.begin(1)
		n, m := i.read(a.Database(), "x"), i.read(b.Database(), "x")
		i.must(i.write(a.Database(), "x", n+1))
		i.must(a.Commit(i.t.Context()))
		err := i.write(b.Database(), "x", m+1)
		if err == nil {
			return true
		}
		require.ErrorIs(i.t, err, client.ErrConflict)
		require.ErrorContains(i.t, err, "has changed since the transaction has read it")
		return i.read(i.outside(), "x") != 1
	}, false},
	{"part of a transaction, then not the rest", func(i *isolated) bool {
		a := i.begin(0)
		i.must(i.write(a.Database(), "x", 1))
		i.must(i.write(a.Database(), "y", 1))
		done := make(chan error, 1)
		go func() { done <- a.Commit(i.t.Context()) }()
		torn := false
		for n := 0; n < 1; {
			n = i.read(i.outside(), "y")
			torn = torn || n == 1 && i.read(i.outside(), "x") == 0
			n = max(n, i.read(i.outside(), "x"))
			torn = torn || n == 1 && i.read(i.outside(), "y") == 0
		}
		i.must(<-done)
		return torn
	}, false},
	{"fuzzy read", func(i *isolated) bool {
		a := i.begin(0)
		before := i.read(a.Database(), "x")
		i.must(i.write(i.outside(), "x", 1))
		return i.read(a.Database(), "x") != before
	}, true},
	{"G-single read skew", func(i *isolated) bool {
		a, b := i.begin(0), i.begin(1)
		x := i.read(a.Database(), "x")
		i.must(i.write(b.Database(), "x", 1))
		i.must(i.write(b.Database(), "y", 1))
		i.must(b.Commit(i.t.Context()))
		return x == 0 && i.read(a.Database(), "y") == 1
	}, true},
	{"G2 write skew", func(i *isolated) bool {
		a, b := i.begin(0), i.begin(1)
		sum, other := i.read(a.Database(), "x")+i.read(a.Database(), "y"), i.read(b.Database(), "x")+i.read(b.Database(), "y")
		i.must(i.write(a.Database(), "x", sum+1))
		i.must(i.write(b.Database(), "y", other+1))
		i.must(a.Commit(i.t.Context()))
		i.must(b.Commit(i.t.Context()))
		return i.read(i.outside(), "x") == 1 && i.read(i.outside(), "y") == 1
	}, true},
	{"phantom", func(i *isolated) bool {
		a := i.begin(0)
		before := i.scan(a.Database())
		i.must(i.outside().Put(i.t.Context(), "x", map[string]any{"_key": "phantom"}))
		after := i.scan(a.Database())
		i.must(i.outside().Remove(i.t.Context(), client.Ref{Collection: "x", Key: "phantom"}))
		return after != before
	}, true},
}

func (i *isolated) scan(db *client.Database) (n int) {
	i.t.Helper()
	i.must(db.Documents(i.t.Context(), "x", func(json.RawMessage) error { n++; return nil }))
	return n
}

// The level of isolation is PL-2 without lost updates: of its anomalies, those happen that may, and the others do not.
func TestIsolation(t *testing.T) {
	inBubble(t, 11, func(b *bubble) {
		i := &isolated{bubble: b}
		for _, shard := range []string{"x", "y"} {
			require.NoError(b.t, createReplicated(b.t.Context(), b.clients[0], shard, 1, 2, 1))
		}
		for _, a := range anomalies {
			i.must(i.write(i.outside(), "x", 0))
			i.must(i.write(i.outside(), "y", 0))
			require.Equal(b.t, a.may, a.happens(i), a.name)
			for _, trx := range i.open {
				_ = trx.Abort(b.t.Context()) // what is committed stays
			}
			i.open = nil
		}
	})
}

// Collections that are declared exclusive have none of these anomalies: the second transaction waits, and sees all of the first.
func TestExclusiveIsSerializable(t *testing.T) {
	inBubble(t, 12, func(b *bubble) {
		i, ctx := &isolated{bubble: b}, b.t.Context()
		for _, shard := range []string{"x", "y"} {
			require.NoError(b.t, createReplicated(ctx, b.clients[0], shard, 1, 2, 1))
			i.must(i.write(i.outside(), shard, 0))
		}
		o := client.TransactionOptions{Exclusive: []string{"x", "y"}}
		first, err := b.clients[0].Database("").Begin(ctx, o)
		require.NoError(b.t, err)
		second, err := b.clients[1].Database("").Begin(ctx, o)
		require.NoError(b.t, err)
		sum := i.read(first.Database(), "x") + i.read(first.Database(), "y")
		other := make(chan int, 1)
		go func() { other <- i.read(second.Database(), "x") + i.read(second.Database(), "y") }()
		time.Sleep(time.Second)
		require.Empty(b.t, other, "it waits")
		require.Zero(b.t, i.read(i.outside(), "x"), "readers outside do not")
		i.must(i.write(first.Database(), "x", sum+1))
		i.must(first.Commit(ctx))
		n := <-other
		require.Equal(b.t, 1, n)
		i.must(i.write(second.Database(), "y", n+1))
		i.must(second.Commit(ctx))
		require.Equal(b.t, []int{1, 2}, []int{i.read(i.outside(), "x"), i.read(i.outside(), "y")})
	})
}

// A restore ends the transactions that are open: their clients are told so, nothing of them is there, and no lock of them is left.
func TestRestoreEndsOpenTransactions(t *testing.T) {
	inBubble(t, 13, func(b *bubble) {
		i, ctx := &isolated{bubble: b}, b.t.Context()
		for _, shard := range []string{"x", "y"} {
			require.NoError(b.t, createReplicated(ctx, b.clients[0], shard, 1, 2, 1))
			i.must(i.write(i.outside(), shard, 0))
		}
		trx := i.begin(0)
		i.must(i.write(trx.Database(), "x", 1))
		i.must(i.write(trx.Database(), "y", 1))
		made, err := b.clients[0].Backups().Create(ctx, client.CreateRequest{LockMode: client.LockModeCommits})
		require.NoError(b.t, err)
		require.False(b.t, made.PotentiallyInconsistent)
		_, err = b.clients[1].Backups().Restore(ctx, client.RestoreRequest{ID: made.ID})
		require.NoError(b.t, err)
		require.Error(b.t, i.write(trx.Database(), "x", 2))
		require.Error(b.t, trx.Commit(ctx))
		b.heal()
		for _, shard := range []string{"x", "y"} {
			require.Zero(b.t, i.read(i.outside(), shard), "nothing of it is in the backup")
			begun := time.Now()
			i.must(i.write(i.outside(), shard, 3))
			require.Less(b.t, time.Since(begun), time.Second, "its lock is gone")
		}
	})
}
