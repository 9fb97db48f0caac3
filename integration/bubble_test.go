package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
	"stasis/minicluster"
)

// bubble is a whole cluster in memory, in a synctest bubble: grace periods cost
// nothing, and a server that is killed loses what it had not synced.
type bubble struct {
	*minicluster.Cluster
	*observer
	t       *testing.T
	net     *fault.Network
	disks   *fault.Disks
	clients []*client.Client
	random  *rand.Rand
}

// inBubble runs a test on a cluster of three agents, three DB servers and two
// coordinators.
func inBubble(t *testing.T, seed uint64, test func(*bubble)) {
	t.Helper()
	inBubbleOf(t, minicluster.Options{Agents: 3, DBServers: 3, Coordinators: 2}, seed, test)
}

// inBubbleOf is inBubble for a cluster of other servers.
func inBubbleOf(t *testing.T, o minicluster.Options, seed uint64, test func(*bubble)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		b := &bubble{t: t, net: fault.NewNetwork(), disks: fault.NewDisks(), random: rand.New(rand.NewPCG(seed, 0))}
		o.Seams.Network, o.Seams.Disks = b.net.Host, func(name string) vfs.FS {
			if o.Dir != "" && strings.HasPrefix(name, "agent") {
				return vfs.Default // the test does something to what is there
			}
			return b.disks.FS(name)
		}
		o.Logger = hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: bubbleLevel})
		c, err := minicluster.Start(t.Context(), o)
		require.NoError(t, err)
		b.Cluster = c
		web := network.NewHTTPClient(b.net.Host("client"))
		defer func() { // also when the test fails: the bubble would complain of what is left, and of nothing else
			web.CloseIdleConnections()
			if err := errors.Join(c.Stop(context.Background()), b.net.Close()); err != nil {
				t.Error(err)
			}
		}()
		require.NoError(t, c.Ready(t.Context()))
		b.observer = observe(c, web)
		_, _, coordinators := c.Nodes()
		for _, n := range coordinators {
			cl, err := client.New(n.URL, client.Options{HTTP: web})
			require.NoError(t, err)
			b.clients = append(b.clients, cl)
		}
		test(b)
	})
}

// bubbleLevel is what is logged of the servers in bubbles.
const bubbleLevel = hclog.Error

// crash is kill -9 with a power cut: so many percent are left of what the server had
// not synced.
// The server is cut off first, so that it acknowledges nothing after the state of
// its disk was taken.
func (b *bubble) crash(name string, percent int) {
	b.t.Helper()
	b.net.Isolate(name)
	require.NoError(b.t, b.disks.Of(name).Crash(percent, b.random))
	require.NoError(b.t, b.Kill(name))
	b.net.Rejoin(name)
}

func (b *bubble) restart(name string) {
	b.t.Helper()
	require.NoError(b.t, b.Restart(b.t.Context(), name))
}

// create makes a replicated collection.
func (b *bubble) create(name string, factor, concern int) {
	b.t.Helper()
	require.NoError(b.t, createReplicated(b.t.Context(), b.clients[0], name, 2, factor, concern))
}

func createReplicated(ctx context.Context, cl *client.Client, name string, shards, factor, concern int) error {
	body := map[string]any{"name": name, "numberOfShards": shards, "replicationFactor": factor, "writeConcern": concern}
	return cl.Do(ctx, "POST", "/_api/collection", body, nil)
}

// await waits until look finds nothing missing.
func (b *bubble) await(limit time.Duration, look func() error) {
	b.t.Helper()
	begun, err := time.Now(), look()
	for ; err != nil && time.Since(begun) < limit; err = look() {
		time.Sleep(100 * time.Millisecond)
	}
	require.NoError(b.t, err, "still so after %v", limit)
}

// heal mends the network and waits until all replicas are in sync and identical.
func (b *bubble) heal() {
	b.t.Helper()
	b.net.HealAll()
	b.await(2*time.Minute, func() error { return b.healed(b.t.Context()) })
}

// servers are the names of the DB servers.
func (b *bubble) servers() []string { return []string{"dbserver-1", "dbserver-2", "dbserver-3"} }

func (b *bubble) agents() []string { return []string{"agent-1", "agent-2", "agent-3"} }

// work runs clients until the function that is returned is called.
func (b *bubble) work(r *recorder, collection string, window *atomic.Int64) (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	pause := time.Duration(scale(500, 200)) * time.Millisecond // at most, between two operations
	var clients sync.WaitGroup
	for i := range 4 {
		w := &worker{
			recorder: r, number: i + 1, client: b.clients[i%2], collection: collection,
			random: rand.New(rand.NewPCG(b.random.Uint64(), 1)), patience: 8 * time.Second, sync: i == 0,
		}
		clients.Go(func() {
			w.run(ctx, pause, func() string { return fmt.Sprintf("k%d-%d", window.Load(), w.random.IntN(3)) })
		})
	}
	return func() {
		cancel()
		clients.Wait()
	}
}
