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
// load, and now and then the agency's leader is. Every round ends with the histories
// of its documents checked and the replicas identical.
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
	collections := map[string][2]int{"c31": {3, 1}, "c32": {3, 2}, "c21": {2, 1}, "c22": {2, 2}}
	for name, r := range collections {
		require.NoError(t, createReplicated(ctx, c.clients[0], name, 1, r[0], r[1]))
	}
	eventually(t, time.Minute, func() error { return o.healed(ctx) })
	before, err := o.terms(ctx)
	require.NoError(t, err)
	fates := map[fate]int{}
	for round := range scale(2, 200) {
		recorders := map[string]*recorder{}
		stop := roundOfWork(t, c, recorders, collections, round, random)
		disturb(t, c, o, random, round)
		stop()
		begun := time.Now()
		eventually(t, 2*time.Minute, func() error { return o.healed(ctx) })
		t.Logf("healed after %v", time.Since(begun))
		for name, r := range recorders {
			readEvery(t, r, c.clients[round%2], name)
			r.check(t)
			for f, n := range r.fates {
				fates[f] += n
			}
		}
	}
	after, err := o.terms(ctx)
	require.NoError(t, err)
	t.Logf("%v, %d new leaders", fates, after-before)
	require.NotZero(t, after-before, "the faults did nothing")
	require.NotZero(t, fates[done])
}

// roundOfWork runs clients on documents of this round's own.
func roundOfWork(t *testing.T, c *cluster, recorders map[string]*recorder, collections map[string][2]int, round int, random *rand.Rand) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for name := range collections {
		r := newRecorder()
		recorders[name] = r
		for i := range 2 {
			w := worker{
				recorder: r, number: i + 1, client: c.clients[i], collection: name,
				random: rand.New(rand.NewPCG(random.Uint64(), 1)), patience: 20 * time.Second, sync: i == 0,
			}
			clients.Go(func() {
				w.run(ctx, 60*time.Millisecond, func() string {
					return fmt.Sprintf("r%d-%d-%d", round, int(time.Since(r.begin)/(2*time.Second)), w.random.IntN(3))
				})
			})
		}
	}
	return func() {
		cancel()
		clients.Wait()
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
