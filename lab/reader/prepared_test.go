//go:build failpoints

package reader

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/dbserver/engine"
	"stasis/internal/failpoint"
)

// stopAt stops the next transaction whose commit comes to a step, until goOn.
func stopAt(step string) (reached <-chan struct{}, goOn func()) {
	at, on := make(chan struct{}), make(chan struct{})
	once := make(chan struct{}, 1)
	restore := failpoint.Set("coordinator/transaction/step", step, func(ctx context.Context, _ string) error {
		select {
		case once <- struct{}{}:
		default:
			return nil
		}
		close(at)
		select {
		case <-on:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	return at, func() { close(on); restore() }
}

// transactions counts what pieces have of transactions: how often one is prepared, and how often one is decided.
func transactions(t *testing.T, pieces []Piece) (prepared, decided int) {
	t.Helper()
	for _, p := range copied(t, pieces) {
		e, err := engine.Open(at(p).EngineDir(), engine.Options{FS: p.FS, MustExist: true, NoCompactions: true})
		require.NoError(t, err)
		it, err := e.NewIter([]byte("S"), []byte("T"))
		require.NoError(t, err)
		for ok := it.First(); ok; ok = it.Next() {
			_, in, _ := bytes.Cut(it.Key(), []byte{0}) // after the name of the shard
			if len(in) != 1+8 {
				continue
			}
			switch in[0] {
			case 'p', 'q':
				prepared++
			case 't', 'u':
				decided++
			}
		}
		require.NoError(t, errors.Join(it.Err(), it.Close(), e.Close()))
	}
	return prepared, decided
}

// values are the values of documents with a key in left and in right: -1 where there is none.
func (l *lab) values(c *client.Client, key string) (found [2]int) {
	l.t.Helper()
	for i, collection := range []string{"left", "right"} {
		var d struct {
			V int `json:"v"`
		}
		err := c.Database("").Read(l.t.Context(), client.Ref{Collection: collection, Key: key}, &d)
		if found[i] = d.V; errors.Is(err, client.ErrNotFound) {
			found[i], err = -1, nil
		}
		l.must(err)
	}
	return found
}

// replace writes documents into left and right: two that are there, and two that are new. The first that is written is the home.
func (l *lab) replace(db *client.Database, key string) {
	l.t.Helper()
	for _, collection := range []string{"left", "right"} {
		l.must(db.Put(l.t.Context(), collection, map[string]any{"_key": key, "v": 1}))
		l.must(db.Put(l.t.Context(), collection, map[string]any{"_key": "new-" + key, "v": 1}))
	}
}

// shows demands of a cluster that has the backup: it has all of what was decided and nothing of what was not, nothing is locked,
// and transactions go on.
func (l *lab) shows(c *client.Client) {
	l.t.Helper()
	t := l.t
	want := map[string][2]int{"decided": {1, 1}, "new-decided": {1, 1}, "undecided": {0, 0}, "new-undecided": {-1, -1}}
	for key, values := range want {
		require.Equal(t, values, l.values(c, key), key)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // of virtual time: less than a wait for a lock, or for what is prepared
	defer cancel()
	for key := range want {
		for _, collection := range []string{"left", "right"} {
			l.must(c.Database("").Put(ctx, collection, map[string]any{"_key": key, "v": 2}))
		}
		require.Equal(t, [2]int{2, 2}, l.values(c, key), key)
	}
	trx, err := c.Database("").Begin(ctx, client.TransactionOptions{Exclusive: []string{"left", "right"}})
	l.must(err)
	l.replace(trx.Database(), "decided")
	l.must(trx.Commit(ctx))
	require.Equal(t, [2]int{1, 1}, l.values(c, "decided"))
}

// A backup that was taken without the global lock has a transaction that is decided, and of which another shard knows only that it
// is prepared, and one that is prepared and not decided. A reader of it, and the cluster when it is restored, have all of the one and
// nothing of the other, whatever became of them later, and nothing stays locked.
func TestTransactionsInTheMiddleOfTheirCommits(t *testing.T) {
	for name, layout := range map[string]client.Layout{
		"one copy":                {Shards: 1, ReplicationFactor: 1},
		"two copies":              {Shards: 1, ReplicationFactor: 2},
		"three shards and copies": {Shards: 3, ReplicationFactor: 3},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) { l.inTheMiddle(layout) })
		})
	}
}

func (l *lab) inTheMiddle(layout client.Layout) {
	t, ctx := l.t, l.t.Context()
	for _, collection := range []string{"left", "right"} {
		l.must(l.client.Database("").CreateCollectionAs(ctx, collection, layout))
		for _, key := range []string{"decided", "undecided"} {
			l.must(l.client.Database("").Put(ctx, collection, map[string]any{"_key": key, "v": 0}))
		}
	}
	begin := func(key string) *client.Transaction {
		trx, err := l.client.Database("").Begin(ctx, client.TransactionOptions{Write: []string{"left", "right"}})
		l.must(err)
		l.replace(trx.Database(), key)
		return trx
	}
	decided, undecided := begin("decided"), begin("undecided")
	reached, resolves := stopAt("decided")
	l.must(decided.Commit(ctx))
	<-reached
	reached, decides := stopAt("prepared")
	committed := make(chan error, 1)
	go func() { committed <- undecided.Commit(ctx) }()
	<-reached

	res, err := l.client.Backups().Create(ctx, client.CreateRequest{LockMode: client.LockModeNone, AllowInconsistent: true})
	resolves()
	decides()
	l.must(errors.Join(err, <-committed))
	require.True(t, res.PotentiallyInconsistent)
	inDoubt, decisions := transactions(t, l.pieces(res.ID))
	require.GreaterOrEqual(t, inDoubt, 2, "each is prepared somewhere")
	require.Positive(t, decisions)
	require.Equal(t, [2]int{1, 1}, l.values(l.client, "undecided"), "it was committed after the backup")

	r := l.open(res.ID)
	report, err := r.Inspect(ctx, nil)
	l.must(err)
	require.Empty(t, report.Problems)
	l.shows(r.Client())
	l.must(r.Close())

	back, err := l.client.Backups().Restore(ctx, client.RestoreRequest{ID: res.ID})
	l.must(err)
	require.NotEmpty(t, back.Previous)
	require.Equal(t, report.Contents, l.read(l.client))
	l.shows(l.other)
	after, err := l.client.Backups().Create(ctx, client.CreateRequest{LockMode: client.LockModeTransactions})
	l.must(err)
	inDoubt, _ = transactions(t, l.pieces(after.ID)) // a home keeps what its coordinator has not forgotten for minutes
	require.Zero(t, inDoubt, "all are resolved")
}
