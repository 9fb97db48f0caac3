package integration

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
)

// BenchmarkTransactions is the throughput of eight clients, and how long a transaction and its commit take: two writes without a
// transaction, in a transaction on one shard, and in one on two shards of two servers; without a backup, and with a backup
// every second in each lock mode. The variants take turns on one cluster, so that their ratios hold on a machine that does other work.
func BenchmarkTransactions(b *testing.B) {
	c, o := benched(b, 0)
	ctx := b.Context()
	for _, name := range []string{"alone", "left", "right"} { // of one shard each, led by two servers
		require.NoError(b, createReplicated(ctx, c.clients[0], name, 1, 2, 1))
	}
	eventually(b, time.Minute, func() error { return o.healed(ctx) })
	var keys atomic.Int64
	var variants []*trxVariant
	for _, mode := range []client.LockMode{"", client.LockModeTransactions, client.LockModeCommits, client.LockModeNone} {
		beside := "no-backup"
		if mode != "" {
			beside = "backup=" + string(mode)
		}
		variants = append(variants,
			&trxVariant{name: "writes/" + beside, plain: true, to: [2]string{"left", "right"}, mode: mode, keys: &keys},
			&trxVariant{name: "one-shard/" + beside, to: [2]string{"alone", "alone"}, mode: mode, keys: &keys},
			&trxVariant{name: "two-shards/" + beside, to: [2]string{"left", "right"}, mode: mode, keys: &keys})
	}
	const turns, turn = 3, 3 * time.Second
	b.ResetTimer()
	for range turns {
		for _, v := range variants {
			v.take(b, c, turn)
		}
	}
	b.StopTimer()
	for _, v := range variants {
		b.Run(v.name, v.report)
	}
}

// trxVariant is one way to write two documents, beside backups in a mode or none.
type trxVariant struct {
	name  string
	plain bool // two writes, and no transaction
	to    [2]string
	mode  client.LockMode
	keys  *atomic.Int64

	mu      sync.Mutex
	took    []time.Duration // two writes, begin and commit among it
	commits []time.Duration
	busy    time.Duration
	backups []client.LockReport
}

// take lets eight clients go on for a while.
func (v *trxVariant) take(b *testing.B, c *cluster, lasting time.Duration) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(b.Context(), lasting)
	defer cancel()
	var all sync.WaitGroup
	if v.mode != "" {
		all.Go(func() { v.backUp(b, ctx, c.clients[1]) })
	}
	for i := range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := v.once(b.Context(), c.db(i)); err != nil {
					b.Errorf("%s: %v", v.name, err)
					return
				}
			}
		})
	}
	all.Wait()
	v.busy += time.Since(begun)
}

func (v *trxVariant) once(ctx context.Context, db *client.Database) error {
	begun, at := time.Now(), db
	var trx *client.Transaction
	if !v.plain {
		var err error
		if trx, err = db.Begin(ctx, client.TransactionOptions{Write: v.to[:]}); err != nil {
			return err
		}
		at = trx.Database()
	}
	for _, collection := range v.to {
		doc := map[string]any{"_key": fmt.Sprintf("t%d", v.keys.Add(1)), "some": "thing of a usual length, neither long nor short, as it comes"}
		if _, err := at.Insert(ctx, collection, doc); err != nil {
			return err
		}
	}
	asked := time.Now()
	if trx != nil {
		if err := trx.Commit(ctx); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.took, v.commits = append(v.took, time.Since(begun)), append(v.commits, time.Since(asked))
	return nil
}

// backUp takes a backup every second until the context ends, and removes it. One that has been begun is completed.
func (v *trxVariant) backUp(b *testing.B, ctx context.Context, cl *client.Client) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		report, err := backUpOnce(b.Context(), cl, v.mode)
		if err != nil {
			b.Errorf("%s: %v", v.name, err)
			return
		}
		v.backups = append(v.backups, report)
	}
}

func backUpOnce(ctx context.Context, cl *client.Client, mode client.LockMode) (client.LockReport, error) {
	r, err := cl.Backups().Create(ctx, client.CreateRequest{Label: "bench", LockMode: mode, AllowInconsistent: mode == client.LockModeNone})
	if err != nil {
		return client.LockReport{}, err
	}
	return r.LockReport, cl.Backup(ctx, "delete", map[string]any{"id": r.ID}, &struct{}{})
}

func (v *trxVariant) report(b *testing.B) {
	require.NotEmpty(b, v.took, "nothing was done")
	b.ReportMetric(float64(len(v.took))/v.busy.Seconds(), "trx/s")
	report(b, "trx", v.took)
	if !v.plain {
		report(b, "commit", v.commits)
	}
	b.ReportMetric(slices.Max(v.took).Seconds()*1000, "longest-ms")
	if len(v.backups) > 0 {
		reportDead(b, v.backups)
	}
	b.ReportMetric(0, "ns/op")
}

// reportDead reports how long writers waited because of backups: of each backup the longest wait, and how often it had to ask for
// the gates.
func reportDead(b *testing.B, backups []client.LockReport) {
	var dead, held []time.Duration
	attempts := 0
	for _, r := range backups {
		dead = append(dead, time.Duration(r.DeadLongestSeconds*float64(time.Second)))
		held = append(held, time.Duration(r.GateHoldSeconds*float64(time.Second)))
		attempts += len(r.Attempts)
	}
	report(b, "dead", dead)
	report(b, "gatehold", held)
	b.ReportMetric(float64(len(backups)), "backups")
	b.ReportMetric(float64(attempts)/float64(len(backups)), "attempts/backup")
}

// BenchmarkOpenTransaction takes a backup in each lock mode while one transaction has written and stays open, beside eight clients
// with short transactions. In mode transactions the backup waits for the open one, and holds up the short ones in each attempt;
// in mode commits it does not. STASIS_BENCH_OPEN=30s keeps it open for longer.
func BenchmarkOpenTransaction(b *testing.B) {
	open, err := time.ParseDuration(cmp.Or(os.Getenv("STASIS_BENCH_OPEN"), "5s"))
	require.NoError(b, err)
	c, o := benched(b, 0)
	ctx := b.Context()
	for _, name := range []string{"left", "right", "long"} {
		require.NoError(b, createReplicated(ctx, c.clients[0], name, 1, 2, 1))
	}
	eventually(b, time.Minute, func() error { return o.healed(ctx) })
	var keys atomic.Int64
	for _, mode := range []client.LockMode{client.LockModeTransactions, client.LockModeCommits} {
		b.Run("backup="+string(mode), func(b *testing.B) {
			v := &trxVariant{name: "two-shards", to: [2]string{"left", "right"}, keys: &keys}
			var backup client.LockReport
			var created time.Duration
			var all sync.WaitGroup
			all.Go(func() { v.take(b, c, open+time.Second) })
			long, err := c.db(0).Begin(ctx, client.TransactionOptions{Write: []string{"long"}})
			require.NoError(b, err)
			_, err = long.Database().Insert(ctx, "long", map[string]any{"_key": string(mode)})
			require.NoError(b, err)
			until := time.NewTimer(open)
			all.Go(func() {
				begun := time.Now()
				var err error
				if backup, err = backUpOnce(ctx, c.clients[1], mode); err != nil {
					b.Errorf("backup: %v", err)
				}
				created = time.Since(begun)
			})
			<-until.C
			require.NoError(b, long.Commit(ctx))
			all.Wait()
			b.ReportMetric(created.Seconds()*1000, "create-ms")
			b.ReportMetric(backup.DeadSumSeconds*1000, "deadsum-ms")
			b.ReportMetric(float64(backup.WritersWaited), "waited")
			reportDead(b, []client.LockReport{backup})
			v.report(b)
		})
	}
}
