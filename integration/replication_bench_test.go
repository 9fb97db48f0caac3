package integration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/network"
	"stasis/minicluster"
)

// BenchmarkReplication is the throughput of eight writers, and how long a write takes,
// for each replication factor, with and without waitForSync. The variants take turns
// on one cluster, so that their ratios hold on a machine that does other work.
func BenchmarkReplication(b *testing.B) {
	c, o := benched(b, 0)
	ctx := b.Context()
	type variant struct {
		name string
		took []time.Duration
		busy time.Duration
	}
	var variants []*variant
	var keys atomic.Int64
	for factor := 1; factor <= 3; factor++ {
		name := fmt.Sprintf("rf%d", factor)
		require.NoError(b, createReplicated(ctx, c.clients[0], name, 3, factor, 1))
		variants = append(variants, &variant{name: name}, &variant{name: name + "?waitForSync=true"})
	}
	eventually(b, time.Minute, func() error { return o.healed(ctx) })
	const turns, turn = 4, 2 * time.Second
	b.ResetTimer()
	for range turns {
		for _, v := range variants {
			begun := time.Now()
			v.took = append(v.took, writeFor(b, c, v.name, turn, &keys)...)
			v.busy += time.Since(begun)
		}
	}
	b.StopTimer()
	for _, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			b.ReportMetric(float64(len(v.took))/v.busy.Seconds(), "writes/s")
			report(b, "write", v.took)
			b.ReportMetric(0, "ns/op")
		})
	}
}

func benched(b *testing.B, grace time.Duration) (*cluster, *observer) {
	op := options(b, minicluster.Processes)
	op.Timing.Grace, op.Timing.LeaderGrace = grace, grace
	c := start(b, op)
	web := network.NewHTTPClient(network.TCP())
	b.Cleanup(web.CloseIdleConnections)
	return c, observe(c.Cluster, web)
}

// writeFor writes with eight clients for a while and says how long each write took.
func writeFor(b *testing.B, c *cluster, target string, lasting time.Duration, keys *atomic.Int64) (took []time.Duration) {
	ctx, cancel := context.WithTimeout(b.Context(), lasting)
	defer cancel()
	var mu sync.Mutex
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			var mine []time.Duration
			for ctx.Err() == nil {
				begun := time.Now()
				doc := map[string]any{"_key": fmt.Sprintf("w%d", keys.Add(1)), "some": "thing of a usual length, neither long nor short, as it comes"}
				if err := c.clients[i%2].Do(b.Context(), "POST", "/_api/document/"+target, doc, nil); err != nil {
					b.Errorf("write: %v", err)
					return
				}
				mine = append(mine, time.Since(begun))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	writers.Wait()
	return took
}

// BenchmarkFailover kills the leader of a shard under a writer and measures from the
// last acknowledged write to the first one after, at the default grace period and at
// its floor.
func BenchmarkFailover(b *testing.B) {
	for _, grace := range []time.Duration{10 * time.Second, 3 * time.Second} {
		b.Run(fmt.Sprintf("grace=%v", grace), func(b *testing.B) {
			c, o := benched(b, grace)
			ctx := b.Context()
			require.NoError(b, createReplicated(ctx, c.clients[0], "c", 1, 3, 1))
			var gaps []time.Duration
			for range 5 {
				eventually(b, time.Minute, func() error { return o.healed(ctx) })
				gaps = append(gaps, gap(b, c, o))
			}
			report(b, "failover", gaps)
			b.ReportMetric(0, "ns/op")
		})
	}
}

// gap kills the leader, waits until writes go on, and starts it again.
func gap(b *testing.B, c *cluster, o *observer) time.Duration {
	ctx := b.Context()
	victim, _, err := o.leader(ctx)
	require.NoError(b, err)
	write := func() error {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		return c.db(0).Put(ctx, "c", map[string]any{"_key": "k"})
	}
	require.NoError(b, write())
	last := time.Now()
	require.NoError(b, c.Kill(victim))
	for err := errors.New("not tried"); err != nil; err = write() {
		require.Less(b, time.Since(last), time.Minute, "%v", err)
	}
	took := time.Since(last)
	require.NoError(b, c.Restart(ctx, victim))
	return took
}

// BenchmarkCatchUp starts a follower again that has missed so much, and measures until
// it is in sync: what the log still has comes by the log, more by a copy.
func BenchmarkCatchUp(b *testing.B) {
	c, o := benched(b, 0)
	ctx := b.Context()
	for _, way := range []string{"log", "copy"} {
		megabytes := map[string]int{"log": 32, "copy": 128}[way] // a log keeps 64
		b.Run(way, func(b *testing.B) {
			require.NoError(b, createReplicated(ctx, c.clients[0], "bulk", 1, 3, 1)) // on all servers: no other server can take the follower's place
			eventually(b, time.Minute, func() error { return o.healed(ctx) })
			follower := o.names[o.follower(b)]
			require.NoError(b, c.Kill(follower))
			bulk(b, c, 0, megabytes)
			begun := time.Now()
			require.NoError(b, c.Restart(ctx, follower))
			up := time.Now()
			eventually(b, 5*time.Minute, func() error { return o.settled(ctx) })
			b.ReportMetric(float64(megabytes)/time.Since(begun).Seconds(), "MB/s-with-start")
			b.ReportMetric(float64(megabytes)/time.Since(up).Seconds(), "MB/s")
			b.ReportMetric(0, "ns/op")
			eventually(b, time.Minute, func() error { return o.healed(ctx) })
			require.NoError(b, c.db(0).DropCollection(ctx, "bulk"))
		})
	}
}

// follower is one of the only shard.
func (o *observer) follower(b *testing.B) string {
	all, _, err := o.shards(b.Context())
	require.NoError(b, err)
	require.Len(b, all, 1)
	for _, r := range all {
		return r.plan[1]
	}
	panic("unreachable")
}
