package integration

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/internal/network"
	"stasis/lab/history"
	"stasis/lab/workload"
	"stasis/minicluster"
)

// impatient is a cluster of processes that gives up a server after three seconds. The race detector runs in them, if it does here.
func impatient(t testing.TB) (*cluster, *observer) {
	o := options(t, minicluster.Processes)
	program, err := racing()
	require.NoError(t, err)
	o.Program.Path = program
	o.Timing.Grace, o.Timing.LeaderGrace = 3*time.Second, 3*time.Second
	t.Cleanup(func() { requireNoRace(t, o.Dir) }) // when it has stopped
	c := start(t, o)
	web := network.NewHTTPClient(network.TCP())
	t.Cleanup(web.CloseIdleConnections)
	return c, observe(c.Cluster, web)
}

var roundsSeed = flag.Uint64("seed", 0, "of TestRounds; 0 takes one from the clock")

// TestRounds: DB servers that are processes are killed, paused and restarted under
// load, and now and then the agency's leader is. Every round ends with all answers that
// clients got explained, and the replicas identical.
func TestRounds(t *testing.T) {
	t.Parallel()
	seed := *roundsSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("again with: go test -run '^TestRounds$' ./integration -args -seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c, o := impatient(t)
	ctx := t.Context()
	leaders := uint64(0)
	for round := range scale(2, 200) {
		h := history.New()
		loads := documentsOf(t, h, c, random)
		eventually(t, time.Minute, func() error { return o.healed(ctx) })
		before, err := o.terms(ctx)
		require.NoError(t, err)
		stop := work(t, c, loads)
		disturb(t, c, o, random, round)
		stop()
		begun := time.Now()
		eventually(t, 2*time.Minute, func() error { return o.healed(ctx) })
		after, err := o.terms(ctx)
		require.NoError(t, err)
		leaders += after - before
		done := h.Tally().OK
		t.Logf("healed after %v, %d operations done", time.Since(begun), done)
		require.NotZero(t, done, "the clients did nothing")
		for _, l := range loads {
			found, err := l.CheckEnd(ctx, c.clients[round%2])
			require.NoError(t, err)
			require.Empty(t, found.Problems, "%+v", l.Spec())
		}
		dropAll(t, c.db(round%2))
	}
	t.Logf("%d new leaders", leaders)
	require.NotZero(t, leaders, "the faults did nothing")
}

// documentsOf sets up clients of documents with two and three replicas, of which one or two have to be in sync.
func documentsOf(t *testing.T, h *history.History, c *cluster, random *rand.Rand) (loads []workload.Workload) {
	t.Helper()
	for _, r := range [][2]int{{3, 1}, {3, 2}, {2, 1}, {2, 2}} {
		l, err := workload.New(workload.Spec{
			Name: "documents", Clients: 2, Keys: 6, Shards: 1, Replication: r[0], WriteConcern: r[1], Pace: 30 * time.Millisecond,
			WaitForSync: r[1] == 2, Seed: random.Uint64(),
		}, h)
		require.NoError(t, err)
		require.NoError(t, l.Setup(t.Context(), c.clients))
		loads = append(loads, l)
	}
	return loads
}

// work lets clients work until the function that is returned is called.
func work(t *testing.T, c *cluster, loads []workload.Workload) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, l := range loads {
		running.Go(func() {
			if err := l.Run(ctx, c.clients, 20*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// dropAll drops all collections.
func dropAll(t *testing.T, db *client.Database) {
	t.Helper()
	all, err := db.Collections(t.Context())
	require.NoError(t, err)
	for _, c := range all {
		require.NoError(t, db.DropCollection(t.Context(), c.Name))
	}
}

// disturb does something to a server and takes it back. It returns when the server
// runs again.
func disturb(t *testing.T, c *cluster, o *observer, random *rand.Rand, round int) {
	t.Helper()
	ctx := t.Context()
	tick := func(d time.Duration) {
		select {
		case <-time.After(d): // the faults have a length; nothing is decided by it
		case <-ctx.Done():
		}
	}
	victim, _, err := o.leader(ctx)
	require.NoError(t, err)
	lasting := 5*time.Second + time.Duration(random.IntN(2000))*time.Millisecond // another takes its place
	if round%3 == 2 {
		lasting /= 5 // it goes on in its place
	}
	kind := []string{"kill", "restart", "pause", "pause", "kill"}[round%5]
	t.Logf("round %d: %s %s for %v", round, kind, victim, lasting)
	tick(500 * time.Millisecond)
	if round%7 == 1 {
		agent := agencyLeader(t, c)
		t.Logf("and kill %s, which leads the agency", agent)
		require.NoError(t, c.Kill(agent))
		defer func() { require.NoError(t, c.Restart(ctx, agent)) }()
	}
	switch kind {
	case "kill":
		require.NoError(t, c.Kill(victim))
		tick(lasting)
		require.NoError(t, c.Restart(ctx, victim))
	case "pause":
		require.NoError(t, c.Pause(victim))
		tick(lasting)
		require.NoError(t, c.Resume(victim))
	case "restart":
		require.NoError(t, c.Restart(ctx, victim))
	}
	tick(500 * time.Millisecond)
}

// agencyLeader is the name of the agent that leads.
func agencyLeader(t *testing.T, c *cluster) (name string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		var s client.Status
		if err := c.clients[0].Do(t.Context(), "GET", client.PathStatus, nil, &s); err != nil {
			return err
		}
		agents, _, _ := c.Nodes()
		for _, a := range agents {
			if a.ID == s.Leader {
				name = a.Name
				return nil
			}
		}
		return fmt.Errorf("leader %q is no agent", s.Leader)
	})
	return name
}
