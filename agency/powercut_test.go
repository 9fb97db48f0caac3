package agency

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
)

// powerCuts are the rounds of a run: at the end of each some of the agents, or all, lose their power under load.
const powerCuts = 5

// TestPowerCuts: agents lose their power at random moments under load, also all of them at once, and with it a part of what they had
// not synced. No transaction that was acknowledged is lost or applied twice, no agent comes back to another agency, and the trees agree.
func TestPowerCuts(t *testing.T) {
	seeds := 4
	if os.Getenv("STASIS_SOAK") != "" {
		seeds = 1000
	}
	torn := 0
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { testPowerCuts(t, seed, &torn) })
	}
	require.Greater(t, torn, seeds/3, "too few writes were torn")
	t.Logf("%d writes torn", torn)
}

func testPowerCuts(t *testing.T, seed uint64, torn *int) {
	random := rand.New(rand.NewPCG(seed, 11))
	timing := Timing{SnapshotThreshold: 40, SnapshotInterval: time.Second, TrailingLogs: 10, KeepLog: 1000}
	bubbles.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, timing)
		defer c.end()
		for _, name := range []string{"a", "b", "c"} { // a call takes time, so that the power is cut in the middle of one
			c.stores[name].Slow(fault.Calls{Kinds: fault.Sync | fault.Write | fault.Rename}, time.Millisecond)
			c.start(name)
		}
		c.leader()
		home := c.config("a").Origin
		l := &powerLoad{cluster: c, acked: map[string]bool{}, to: "a", leads: map[uint64]string{}}
		for range powerCuts {
			l.run(random, time.Duration(200+random.IntN(1500))*time.Millisecond)
			hit := []string{"a", "b", "c"}
			random.Shuffle(3, func(i, j int) { hit[i], hit[j] = hit[j], hit[i] })
			hit = hit[:1+random.IntN(3)]
			l.cut(random, hit)
			time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
			for _, name := range hit {
				c.start(name)
			}
			leader := c.leader()
			l.checkAcknowledged(leader)
			term := c.agents[leader].node.Raft.CurrentTerm()
			require.Contains(t, []string{"", leader}, l.leads[term], "two agents have led in term %d", term)
			l.leads[term] = leader
			require.Equal(t, home, c.config("a").Origin)
			require.Equal(t, home, c.config(hit[0]).Origin)
		}
		require.Greater(t, len(l.acked), powerCuts, "the load wrote next to nothing")
		*torn += l.torn
		c.sameTrees()
	})
}

// powerLoad writes a key of its own with each transaction, large and small ones.
type powerLoad struct {
	*cluster
	acked map[string]bool
	next  int
	to    string            // the agent that is asked first
	leads map[uint64]string // who led in which term
	torn  int               // files that had a torn write
}

// run writes for a while and leaves its last writes unanswered, so that the power is cut in the middle of one.
func (l *powerLoad) run(random *rand.Rand, d time.Duration) {
	ctx, cancel := context.WithTimeout(l.t.Context(), d)
	defer cancel()
	for ctx.Err() == nil {
		key, size := fmt.Sprintf("k%d", l.next), 1+random.IntN(1500)
		l.next++
		body := fmt.Sprintf(`[[{"/load/%s":"%0*d"}]]`, key, size, l.next)
		if r, err := l.try(ctx, l.to, "write", body); err == nil && r.status == 200 {
			l.acked[key] = true
		} else {
			l.to = []string{"a", "b", "c"}[random.IntN(3)]
		}
		time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
	}
}

// cut takes the power of some agents at one moment, while writes are on their way: they are cut off, their disks keep what a power cut leaves,
// and only then they are closed.
func (l *powerLoad) cut(random *rand.Rand, names []string) {
	ctx, cancel := context.WithCancel(l.t.Context())
	var writes []*asked
	for i := range 4 {
		body := fmt.Sprintf(`[[{"/cut/k%d-%d":"%05000d"}]]`, l.next, i, i)
		writes = append(writes, l.begin(ctx, l.to, "write", body))
	}
	time.Sleep(time.Duration(random.IntN(8)) * time.Millisecond)
	for _, name := range names {
		l.net.Isolate(name)
		for _, other := range []string{"a", "b", "c", "client"} {
			l.net.Reset(name, other) // what the agent says from now on was never said
		}
		torn := l.stores[name].Tear(fault.Calls{})
		require.NoError(l.t, l.stores[name].Crash(random.IntN(101), random))
		l.torn += torn.Met()
		torn.End()
	}
	cancel()
	for _, w := range writes {
		<-w.done
	}
	for _, name := range names {
		l.kill(name)
		l.net.Rejoin(name)
	}
}

func (l *powerLoad) checkAcknowledged(leader string) {
	l.t.Helper()
	r := l.ask(leader, "read", `[["/load"]]`)
	require.Equal(l.t, 200, r.status, r)
	var got []struct{ Load map[string]string }
	require.NoError(l.t, decode(r, &got))
	for key := range l.acked {
		require.Contains(l.t, got[0].Load, key, "an acknowledged transaction is lost")
	}
}
