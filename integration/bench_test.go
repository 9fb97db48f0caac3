package integration

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"stasis/client"
	"stasis/lab/history"
	"stasis/lab/workload"
	"stasis/minicluster"
)

// BenchmarkBackup takes backups under load while the data grows. The servers are
// processes: in one process a request may wait for Go's scheduler, ten milliseconds
// for each hop while a compaction keeps both processors, and the lock hold would
// show that. The lock hold
// must not grow with it; the create may (links and checksums, outside the lock).
// Run with -benchtime 1x; one cluster serves all sizes. STASIS_BENCH_MB=20,50 takes
// other sizes.
func BenchmarkBackup(b *testing.B) {
	o := options(b, minicluster.Processes)
	c := start(b, o)
	ctx := b.Context()
	require.NoError(b, c.db(0).CreateCollection(ctx, "bulk", 9))
	require.NoError(b, c.db(0).CreateCollection(ctx, "across", 9))
	loaded := 0
	for _, megabytes := range sizes(b) {
		bulk(b, c, loaded, megabytes)
		loaded = megabytes
		b.Run(fmt.Sprintf("%dMB", megabytes), func(b *testing.B) {
			for b.Loop() {
				measure(b, c, 20)
			}
		})
	}
}

func sizes(b *testing.B) []int {
	list := os.Getenv("STASIS_BENCH_MB")
	if list == "" {
		list = "100,1000,4000"
	}
	var all []int
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(s)
		require.NoError(b, err, "STASIS_BENCH_MB")
		all = append(all, n)
	}
	return all
}

// measure takes n backups under load and reports what they cost.
func measure(b *testing.B, c *cluster, n int) {
	h := history.New()
	w, err := workload.New(workload.Spec{Name: "chain", Clients: 8, Shards: 9, Replication: 1, Pace: time.Microsecond}, h)
	require.NoError(b, err)
	require.NoError(b, w.Setup(b.Context(), c.clients))
	writing, stop := context.WithCancel(b.Context())
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- w.Run(writing, c.clients, 30*time.Second) }()
	var creates, holds, gates []time.Duration
	var spans []workload.Cut
	before := ""
	for i := range n {
		cut := workload.Cut{Asked: h.Now()}
		t, err := c.clients[0].Backups().Create(writing, client.CreateRequest{Label: fmt.Sprintf("b%d", i)})
		require.NoError(b, err)
		cut.Returned = h.Now()
		creates = append(creates, cut.Returned.At-cut.Asked.At)
		holds = append(holds, time.Duration(t.LockReport.LockHoldSeconds*float64(time.Second)))
		gates = append(gates, time.Duration(t.LockReport.GateHoldSeconds*float64(time.Second)))
		spans = append(spans, cut)
		if before != "" { // one stays: its hashes are used by the next
			require.NoError(b, c.clients[0].Backup(writing, "delete", map[string]any{"id": before}, &struct{}{}))
		}
		before = t.ID
	}
	stop()
	require.NoError(b, <-failed)
	report(b, "create", creates)
	report(b, "lockhold", holds)
	report(b, "gatehold", gates)
	report(b, "longestwrite", longest(h, spans))
}

// longest gives for each span the longest write that overlapped it.
func longest(h *history.History, spans []workload.Cut) []time.Duration {
	slowest := make([]time.Duration, len(spans))
	for _, o := range h.Ops() {
		for i, s := range spans {
			if o.Write() && o.Outcome == history.OK && o.BeginOrder < s.Returned.Order && o.EndOrder > s.Asked.Order {
				slowest[i] = max(slowest[i], o.End-o.Begin)
			}
		}
	}
	return slowest
}

func report(b *testing.B, name string, all []time.Duration) {
	slices.Sort(all)
	at := func(p float64) float64 { return all[int(p*float64(len(all)-1)+0.5)].Seconds() * 1000 }
	b.ReportMetric(at(0.5), name+"-p50-ms")
	b.ReportMetric(at(0.99), name+"-p99-ms")
}

const bulkDoc = 16 << 10

// bulk fills the collection from one size to the next with incompressible documents.
func bulk(b *testing.B, c *cluster, from, to int) {
	g, ctx := errgroup.WithContext(b.Context())
	g.SetLimit(4)
	const batch = 2 << 20
	for n := from << 20; n < to<<20; n += batch {
		g.Go(func() error {
			rng := rand.NewChaCha8([32]byte{byte(n >> 20), byte(n >> 28)})
			var lines bytes.Buffer
			raw := make([]byte, bulkDoc*3/4)
			for i := range batch / bulkDoc {
				if _, err := rng.Read(raw); err != nil {
					return err
				}
				doc := map[string]any{"_key": fmt.Sprintf("d%d-%d", n, i), "data": base64.StdEncoding.EncodeToString(raw)}
				if err := json.NewEncoder(&lines).Encode(doc); err != nil {
					return err
				}
			}
			_, err := c.db(n/batch).Import(ctx, "bulk", "error", &lines)
			return err
		})
	}
	require.NoError(b, g.Wait())
}
