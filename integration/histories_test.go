package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHistories: clients read and write single documents while servers are cut off,
// half cut off, frozen and killed with the loss of what they had not synced. Whatever
// the clients saw must have an order in which it makes sense, the end state included,
// and the replicas become identical. Every history begins with a new cluster.
func TestHistories(t *testing.T) {
	histories(t, 4, 400, func(b *bubble, next func()) {
		for i := range 3 {
			b.harm(i, true)
			next()
		}
	})
}

// TestStorms: the same with many faults at once, and single links that are cut all
// the time. Servers are killed without loss only: what one replica alone had, since no
// other could be reached, would be lost with it.
func TestStorms(t *testing.T) {
	histories(t, 4, 200, func(b *bubble, next func()) {
		ctx, cancel := context.WithCancel(b.t.Context())
		var cutting sync.WaitGroup
		random := rand.New(rand.NewPCG(b.random.Uint64(), 2))
		cutting.Go(func() { b.cutLinks(ctx, random) })
		for i := range 3 {
			b.harm(i, false)
			next()
		}
		cancel()
		cutting.Wait()
	})
}

// histories records and checks a history for each seed.
func histories(t *testing.T, few, many int, storm func(b *bubble, next func())) {
	t.Helper()
	fates, leaders := map[fate]int{}, uint64(0)
	for seed := range seeds(few, many) {
		inBubble(t, seed, func(b *bubble) {
			factor := 2 + int(seed)%2
			concern := 1 + int(seed/2)%2
			b.t.Logf("seed %d: replication factor %d, write concern %d", seed, factor, concern)
			b.create("c", factor, concern)
			b.heal()
			before, err := b.terms(b.t.Context())
			require.NoError(b.t, err)
			r, window := newRecorder(), &atomic.Int64{}
			stop := b.work(r, "c", window)
			storm(b, func() { window.Add(1) })
			b.net.HealAll()
			time.Sleep(2 * time.Second)
			stop()
			b.heal()
			after, err := b.terms(b.t.Context())
			require.NoError(b.t, err)
			leaders += after - before
			readEvery(b.t, r, b.clients[0], "c")
			r.check(b.t)
			for f, n := range r.fates {
				fates[f] += n
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%v, %d new leaders", fates, leaders)
	require.NotZero(t, leaders, "the faults did nothing")
	sure := []fate{done, absent, exists, differs}
	if scale(0, 1) > 0 {
		sure = append(sure, unknown) // few histories may have none
	}
	for _, f := range sure {
		require.NotZero(t, fates[f], "the faults or the clients did nothing: %s", f)
	}
	require.NotZero(t, fates[unknown]+fates[refused]+fates[unread], "no client has noticed the faults")
}

// seeds are 0 to few, or with STASIS_SOAK=1 to many; with STASIS_SEED=n it is n alone,
// again and again.
func seeds(few, many int) func(yield func(uint64) bool) {
	chosen, err := strconv.ParseUint(os.Getenv("STASIS_SEED"), 10, 64)
	return func(yield func(uint64) bool) {
		for i := range uint64(scale(few, many)) {
			if err == nil {
				i = chosen
			}
			if !yield(i) {
				return
			}
		}
	}
}

// cutLinks cuts single links in one direction for a while, until ctx ends.
func (b *bubble) cutLinks(ctx context.Context, random *rand.Rand) {
	hosts := append(append(b.agents(), b.servers()...), "coordinator-1", "coordinator-2")
	for ctx.Err() == nil {
		from, to := hosts[random.IntN(len(hosts))], hosts[random.IntN(len(hosts))]
		if from == to {
			continue
		}
		b.net.Cut(from, to)
		time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
		if random.IntN(3) > 0 { // otherwise until the next healing
			b.net.Heal(from, to)
		}
	}
}

// harm does something to a server, a leader more often than not, and takes it back.
// The first time it surely costs a leader its place. A server that may lose what it
// had not synced is killed when the others have it.
func (b *bubble) harm(n int, loss bool) {
	time.Sleep(time.Second)
	victim := b.servers()[b.random.IntN(3)]
	if n == 0 || b.random.IntN(3) > 0 {
		var err error
		victim, _, err = b.leader(b.t.Context())
		require.NoError(b.t, err)
	}
	lasting := time.Duration(b.random.IntN(25000)) * time.Millisecond
	kind := b.random.IntN(12)
	if n == 0 {
		lasting, kind = lasting+13*time.Second, b.random.IntN(2)
	}
	b.t.Logf("harm %d to %s for %v", kind, victim, lasting)
	switch kind {
	case 0:
		b.net.Isolate(victim)
	case 1:
		b.net.Freeze(victim)
	case 2:
		b.cut(victim, b.agents(), true, false)
	case 3:
		b.cut(victim, b.agents(), false, true)
	case 4:
		b.cut(victim, b.servers(), true, false)
	case 5:
		b.cut(victim, b.servers(), false, true)
	case 6: // a leader left alone with the agency and the clients
		b.cut(victim, b.servers(), true, true)
	case 7:
		b.flap(victim, lasting)
		lasting = 0
	case 8: // together with an agent
		b.net.Isolate(victim)
		b.net.Isolate(b.agents()[b.random.IntN(3)])
	default:
		if loss {
			b.await(time.Minute, func() error { return b.settled(b.t.Context()) })
		}
		if kind == 9 { // and with it what the supervision had heard of the servers
			agent := b.agents()[b.random.IntN(3)]
			require.NoError(b.t, b.Kill(agent))
			defer b.restart(agent)
		}
		if loss {
			b.crash(victim, b.random.IntN(3)*50)
		} else {
			require.NoError(b.t, b.Kill(victim))
		}
		if kind == 10 { // it is back at once, and does not find the others
			b.cut(victim, b.servers(), true, true)
			b.restart(victim)
		} else {
			defer b.restart(victim)
		}
	}
	time.Sleep(lasting)
	b.net.HealAll() // before what is deferred
}

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

// flap isolates a server again and again.
func (b *bubble) flap(name string, lasting time.Duration) {
	for begun := time.Now(); time.Since(begun) < lasting; {
		b.net.Isolate(name)
		time.Sleep(time.Duration(b.random.IntN(4000)) * time.Millisecond)
		b.net.Rejoin(name)
		time.Sleep(time.Duration(b.random.IntN(2000)) * time.Millisecond)
	}
}

// The basic thing: a leader dies, another takes its place, writes go on, the old one
// comes back and follows.
func TestFailover(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.create("c", 3, 2)
		b.heal()
		put := func(key string) error {
			return b.clients[0].Database("").Put(b.t.Context(), "c", map[string]any{"_key": key})
		}
		for i := range 50 {
			require.NoError(b.t, put(fmt.Sprintf("a%d", i)))
		}
		was, _, err := b.leader(b.t.Context())
		require.NoError(b.t, err)
		b.crash(was, 0)
		begun := time.Now()
		b.await(time.Minute, func() error { return put("after") })
		b.await(time.Minute, func() error { return put("before") })
		for i := range 50 {
			b.await(time.Minute, func() error { return put(fmt.Sprintf("b%d", i)) })
		}
		b.t.Logf("writes went on after %v", time.Since(begun))
		b.restart(was)
		b.heal()
		n, err := b.clients[1].Database("").Count(b.t.Context(), "c")
		require.NoError(b.t, err)
		require.Equal(b.t, int64(102), n)
	})
}
