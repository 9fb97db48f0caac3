package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/agency"
	agencyclient "stasis/agency/client"
	"stasis/agency/recovery"
	"stasis/fault"
	"stasis/fsm"
	"stasis/internal/bubbles"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

// agents is a real agency in memory.
type agents struct {
	t      *testing.T
	net    *fault.Network
	http   *http.Client
	timing agency.Timing
	peers  map[string]string
	stores map[string]*fault.Disk
	up     map[string]*agency.Agent
}

// withAgents runs a test in a bubble against three agents.
func withAgents(t *testing.T, timing agency.Timing, test func(*testing.T, *agents, *agencyclient.Client)) {
	bubbles.Test(t, func(t *testing.T) {
		a := &agents{
			t: t, net: fault.NewNetwork(), timing: timing, peers: map[string]string{},
			stores: map[string]*fault.Disk{}, up: map[string]*agency.Agent{},
		}
		for _, name := range []string{"a", "b", "c"} {
			a.peers["AGNT-"+name] = name + ":1"
			a.stores[name] = fault.NewDisk()
		}
		for name := range a.stores {
			a.start(name)
		}
		a.http = network.NewHTTPClient(a.net.Host("client"))
		defer func() {
			a.net.HealAll()
			for name := range a.up {
				a.kill(name)
			}
			a.http.CloseIdleConnections()
			require.NoError(t, a.net.Close())
		}()
		test(t, a, a.client())
	})
}

func (a *agents) client() *agencyclient.Client {
	return agencyclient.New(agencyclient.Options{Endpoints: []string{"http://a:1", "http://b:1", "http://c:1"}, HTTP: a.http})
}

func (a *agents) start(name string) {
	a.t.Helper()
	agent, err := agency.Start(a.t.Context(), agency.Config{
		ID: "AGNT-" + name, Listen: name + ":1", Peers: a.peers, Network: a.net.Host(name),
		Dir: "agent", FS: a.stores[name].FS(), Logger: hclog.NewNullLogger(), Timing: a.timing,
	})
	require.NoError(a.t, err)
	a.up[name] = agent
}

func (a *agents) kill(name string) {
	a.t.Helper()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(a.t, a.up[name].Close(now))
	delete(a.up, name)
}

// leader waits for the one agent that leads.
func (a *agents) leader() string {
	a.t.Helper()
	for range 600 {
		for name, agent := range a.up {
			if agent.IsLeader() {
				return name
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.Fail(a.t, "no leader")
	return ""
}

// follow runs a cache until stop is called.
func follow(t *testing.T, c *agencyclient.Client) (cache *agencyclient.Cache, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	cache = agencyclient.NewCache(c, nil)
	done := make(chan error, 1)
	go func() { done <- cache.Run(ctx) }()
	return cache, sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func minute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// randomOps is some change of a small tree.
func randomOps(r *rand.Rand) map[string]any {
	path := fmt.Sprintf("/t/%d/%d", r.IntN(5), r.IntN(5))
	switch r.IntN(6) {
	case 0:
		return map[string]any{path: agencyclient.Delete()}
	case 1:
		return map[string]any{path: agencyclient.Increment(3)}
	case 2:
		return map[string]any{path: agencyclient.Push(r.IntN(100))}
	case 3:
		return map[string]any{path + "/x/y": map[string]any{"k": r.IntN(100)}, path + "/z": nil}
	default:
		return map[string]any{path: r.IntN(1000)}
	}
}

// Random writes, leaders killed and restarted, a log that keeps ten changes only:
// the cache never goes back, and after Sync it equals what a read gives.
func TestCacheFollowsThroughFaults(t *testing.T) {
	timing := agency.Timing{KeepLog: 10, SnapshotThreshold: 20, TrailingLogs: 5, SnapshotInterval: time.Second}
	withAgents(t, timing, func(t *testing.T, a *agents, c *agencyclient.Client) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		cache, stop := follow(t, a.client())
		defer stop()
		watched, unwatch := watchIndex(cache)
		defer unwatch()
		for round := range 12 {
			if round%3 == 1 {
				victim := a.leader()
				a.kill(victim)
				for range 3 {
					_, err := c.Write(minute(t), agencyclient.Tx{Ops: randomOps(r)})
					require.NoError(t, err)
				}
				a.start(victim)
			}
			var txs []agencyclient.Tx
			for range r.IntN(30) + 1 {
				txs = append(txs, agencyclient.Tx{Ops: randomOps(r)})
			}
			_, err := c.WriteAll(minute(t), txs...)
			require.NoError(t, err)
			s, err := cache.Sync(minute(t))
			require.NoError(t, err)
			root, err := c.Read(minute(t), "/")
			require.NoError(t, err)
			require.True(t, fsm.Equal(root, s.Root), "index %d", s.Index)
		}
		require.NoError(t, watched())
	})
}

// watchIndex checks that the index of the cache never falls.
func watchIndex(cache *agencyclient.Cache) (result func() error, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		last := uint64(0)
		_, _ = cache.Wait(ctx, func(s agencyclient.Snapshot) bool {
			if s.Index < last {
				done <- fmt.Errorf("fell from %d to %d", last, s.Index)
				return true
			}
			last = s.Index
			return false
		})
		close(done)
	}()
	return func() error { cancel(); return <-done }, cancel
}

// A write that was acknowledged is in what Sync gives, also through another client,
// and Sync without agency ends with its context.
func TestSyncSeesAcknowledgedWrites(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		cache, stop := follow(t, a.client())
		defer stop()
		var all sync.WaitGroup
		failures := make(chan error, 100)
		for n := range 10 {
			all.Go(func() {
				for i := range 5 {
					key := fmt.Sprintf("/x/%d-%d", n, i)
					if _, err := c.Write(t.Context(), agencyclient.Tx{Ops: map[string]any{key: true}}); err != nil {
						failures <- err
						return
					}
					s, err := cache.Sync(t.Context())
					if err != nil || !s.Root.At(key).Exists() {
						failures <- fmt.Errorf("%s not in %d: %w", key, s.Index, err)
						return
					}
				}
			})
		}
		all.Wait()
		close(failures)
		require.NoError(t, <-failures)

		a.net.Isolate("client")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := cache.Sync(ctx)
		require.ErrorIs(t, err, agencyclient.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		a.net.HealAll()
		_, err = cache.Sync(minute(t))
		require.NoError(t, err)
		stop()
		_, err = cache.Sync(minute(t))
		require.ErrorIs(t, err, agencyclient.ErrUnavailable)
		_, err = cache.Wait(minute(t), func(agencyclient.Snapshot) bool { return false })
		require.ErrorIs(t, err, agencyclient.ErrUnavailable)
	})
}

// Changes arrive at once, not with the next poll.
func TestWaitWakesAtOnce(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		cache, stop := follow(t, a.client())
		defer stop()
		_, err := cache.Sync(minute(t))
		require.NoError(t, err)
		time.Sleep(1300 * time.Millisecond)
		_, err = c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{"/x": 1}})
		require.NoError(t, err)
		began := time.Now()
		_, err = cache.Wait(minute(t), func(s agencyclient.Snapshot) bool { return s.Root.At("/x").Exists() })
		require.NoError(t, err)
		require.Less(t, time.Since(began), 10*time.Millisecond)
	})
}

// A leader that hangs with a poll open does not hold the cache for long.
func TestCacheLeavesAHungLeader(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		cache, stop := follow(t, c)
		defer stop()
		_, err := cache.Sync(minute(t))
		require.NoError(t, err)
		a.net.Freeze(a.leader())
		began := time.Now()
		_, err = a.client().Write(minute(t), agencyclient.Tx{Ops: map[string]any{"/x": 1}})
		require.NoError(t, err)
		_, err = cache.Wait(minute(t), func(s agencyclient.Snapshot) bool { return s.Root.At("/x").Exists() })
		require.NoError(t, err)
		require.Less(t, time.Since(began), 20*time.Second)
	})
}

// Config is answered by any agent, leader or not.
func TestConfig(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		leader := a.leader()
		_, err := c.Read(minute(t), "/")
		require.NoError(t, err)
		config, err := c.Config(minute(t))
		require.NoError(t, err)
		require.Equal(t, "AGNT-"+leader, config.LeaderID)
		require.Len(t, config.Configuration.Pool, 3)
		for name := range a.up {
			config, err := c.ConfigOf(minute(t), "tcp://"+name+":1")
			require.NoError(t, err)
			require.Equal(t, "AGNT-"+name, config.Configuration.ID)
			require.Equal(t, name == leader, len(config.LastAcked) > 0)
		}
		_, err = c.ConfigOf(minute(t), "http://nowhere:1")
		require.ErrorIs(t, err, agencyclient.ErrUnavailable)
	})
}

// TestCacheFollowsRecovery: a cache goes on through a recovery: its index rises, its
// tree is that of the new incarnation, and what was noted is the new origin. An agent of the
// incarnation before, however alive, is not followed any more, also not after a restart
// of who follows.
func TestCacheFollowsRecovery(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, _ *agencyclient.Client) {
		notes, err := datadir.Open(vfs.NewMem(), "server", datadir.DBServer, nil)
		require.NoError(t, err)
		server := func(endpoints ...string) *agencyclient.Client {
			origin, remember, err := agencyclient.Remembered(notes)
			require.NoError(t, err)
			return agencyclient.New(agencyclient.Options{Endpoints: endpoints, HTTP: a.http, Origin: origin, Remember: remember})
		}
		c := server("a:1", "b:1", "c:1")
		for i := range 5 {
			_, err := c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{"x": i}})
			require.NoError(t, err)
		}
		cache, stop := follow(t, c)
		defer stop()
		before, err := cache.Sync(minute(t))
		require.NoError(t, err)
		time.Sleep(time.Second)
		for _, name := range []string{"a", "b", "c"} {
			a.kill(name)
		}
		_, err = recovery.Recover(recovery.Options{Dir: "agent", FS: a.stores["a"].FS()})
		require.NoError(t, err)
		lost := []string{"b", "c"} // as it turns out they are not
		a.start("a")
		after, err := cache.Sync(minute(t))
		require.NoError(t, err)
		require.Equal(t, before.Root.String(), after.Root.String())
		require.Greater(t, after.Index, before.Index)
		_, err = c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{"x": "after"}})
		require.NoError(t, err)
		last, err := cache.Wait(minute(t), func(s agencyclient.Snapshot) bool { return s.Root.At("x").Text() == "after" })
		require.NoError(t, err)
		require.EqualValues(t, 2, c.Origin().Incarnation)

		a.kill("a")
		for _, name := range lost {
			a.start(name)
		}
		name := a.leader()
		stale := agencyclient.New(agencyclient.Options{Endpoints: []string{name + ":1"}, HTTP: a.http})
		_, err = stale.Write(minute(t), agencyclient.Tx{Ops: map[string]any{"x": "of a world that has ended"}})
		require.NoError(t, err, "they have a majority of the members of before")
		for _, follower := range []*agencyclient.Client{c, server("b:1", "c:1")} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, err = follower.Read(ctx, "x")
			cancel()
			require.ErrorIs(t, err, agencyclient.ErrUnavailable, "it follows an agency that has ended")
			require.ErrorIs(t, err, agencyclient.ErrStranger)
		}
		require.Equal(t, last, cache.Snapshot(), "it keeps what it knows")
		a.start("a")
		_, err = c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{"x": "goes on"}})
		require.NoError(t, err)
	})
}
