package integration

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/lab/world"
	"stasis/minicluster"
)

// bubble is the lab's world of that name, for one test: grace periods cost nothing, and a server that crashes loses
// what it had not synced.
type bubble struct {
	world.World
	*observer
	t       *testing.T
	net     links
	clients []*client.Client
	random  *rand.Rand
	fs      func(server string) vfs.FS   // its disk
	host    func(name string) fault.Host // of any name
}

// inBubble runs a test on a cluster of three agents, three DB servers and two
// coordinators.
func inBubble(t *testing.T, seed uint64, test func(*bubble)) {
	t.Helper()
	inBubbleOf(t, world.Config{Agents: 3, DBServers: 3, Coordinators: 2}, seed, test)
}

// inBubbleOf is inBubble for a cluster of other servers.
func inBubbleOf(t *testing.T, c world.Config, seed uint64, test func(*bubble)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		b := &bubble{t: t, random: rand.New(rand.NewPCG(seed, 0))}
		c.Seed, c.Log, c.Adjust = seed, t.Output(), b.seams(c.Adjust)
		w, err := world.Start(t.Context(), world.Bubble, c)
		require.NoError(t, err)
		defer func() { // also when the test fails: the bubble would complain of what is left, and of nothing else
			if err := w.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		b.World, b.observer, b.net, b.clients = w, observe(w.Cluster(), w.HTTP()), links{t, w.Network()}, w.Clients()
		test(b)
	})
}

// seams keeps what the cluster is given by its world.
func (b *bubble) seams(adjust func(*minicluster.Options)) func(*minicluster.Options) {
	return func(o *minicluster.Options) {
		b.fs, b.host = o.Seams.Disks, o.Seams.Network
		if adjust != nil {
			adjust(o)
		}
	}
}

// links is the network of a world. A host that does not exist is a mistake of the test.
type links struct {
	t   testing.TB
	net world.Network
}

func (l links) must(err error) {
	if err != nil {
		l.t.Error(err)
	}
}

func (l links) Cut(from, to string)                 { l.must(l.net.Cut(from, to)) }
func (l links) Heal(from, to string)                { l.must(l.net.Heal(from, to)) }
func (l links) HealAll()                            { l.must(l.net.HealAll()) }
func (l links) Throttle(from, to string, per int64) { l.must(l.net.Throttle(from, to, per)) }
func (l links) Isolate(host string)                 { l.must(l.net.Isolate(host)) }
func (l links) Rejoin(host string)                  { l.must(l.net.Rejoin(host)) }
func (l links) Freeze(host string)                  { l.must(l.net.Freeze(host)) }
func (l links) Thaw(host string)                    { l.must(l.net.Thaw(host)) }

// cut cuts the links of one server to others, in one direction or both.
func (b *bubble) cut(name string, others []string, out, in bool) {
	for _, other := range others {
		if other == name {
			continue
		}
		if out {
			b.net.Cut(name, other)
		}
		if in {
			b.net.Cut(other, name)
		}
	}
}

// disk is the disk of a server.
func (b *bubble) disk(server string) world.Disk {
	b.t.Helper()
	d, err := b.Disk(server)
	require.NoError(b.t, err)
	return d
}

// met is a fault that was asked for.
func (b *bubble) met(m world.Met, err error) world.Met {
	b.t.Helper()
	require.NoError(b.t, err)
	return m
}

// hold holds the first operation that comes to a moment.
func (b *bubble) hold(m fault.Moment) world.Held {
	b.t.Helper()
	held, err := b.Hold(m)
	require.NoError(b.t, err)
	return held
}

// on does something at a moment, before the operation goes on. The channel is closed when it is done.
func (b *bubble) on(m fault.Moment, do func()) <-chan struct{} {
	b.t.Helper()
	held, done := b.hold(m), make(chan struct{})
	go func() { // ends with the test at the latest
		defer held.End()
		select {
		case <-held.Reached():
			do()
			close(done)
		case <-b.t.Context().Done():
		}
	}()
	return done
}

// isDone reports whether a channel is closed.
func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// crash is kill -9 with a power cut: so many percent are left of what the server had
// not synced.
func (b *bubble) crash(name string, percent int) {
	b.t.Helper()
	require.NoError(b.t, b.Crash(name, percent))
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

// cluster is the bubble's as one of the tests that run on real clocks too.
func (b *bubble) cluster() *cluster { return &cluster{Cluster: b.Cluster(), clients: b.clients} }
