package agency

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/learner"
	"stasis/agency/note"
	"stasis/agency/origin"
	"stasis/agency/recovery"
	"stasis/internal/bubbles"
)

// wipe takes an agent's disk away.
func (c *cluster) wipe(names ...string) {
	c.t.Helper()
	for _, name := range names {
		if c.agents[name] != nil {
			c.kill(name)
		}
		c.stores[name] = newMemory(name)
	}
}

// TestWipedMajorityFoundsNothing: two of three agents lose their disks while the third is
// silent for eight seconds. They must not take silence for emptiness: there is one
// agency, and it has one tree.
func TestWipedMajorityFoundsNothing(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":"acknowledged"}]]`).status)
		time.Sleep(2 * time.Second)
		c.wipe("a", "b")
		c.net.Freeze("c")
		c.start("a")
		c.start("b")
		for range 160 { // eight seconds
			require.False(t, c.agents["a"].IsLeader() || c.agents["b"].IsLeader(), "two that know nothing have founded an agency beside the old one")
			time.Sleep(50 * time.Millisecond)
		}
		require.Zero(t, c.agents["a"].node.Raft.LastIndex())
		c.net.Thaw("c")
		time.Sleep(10 * time.Second)
		require.Equal(t, map[string]any{"x": "acknowledged"}, decoded(t, c.ask("c", "state", ""))["agency"])
		for _, name := range []string{"a", "b"} {
			require.False(t, c.agents[name].IsLeader())
			require.Empty(t, decoded(t, c.ask(name, "state", ""))["agency"])
		}
	})
}

// lost is one case of the matrix: which agents lose their disks, and which are silent
// meanwhile.
type lost struct {
	n             int
	wiped, silent []string
	backwards     bool // the order in which the silent ones come back
}

func (l lost) String() string {
	return fmt.Sprintf("%d agents, wiped %v, silent %v, backwards %v", l.n, l.wiped, l.silent, l.backwards)
}

// subset is the names of the bits.
func subset(bits, n int) (names []string) {
	for i := range n {
		if bits&(1<<i) != 0 {
			names = append(names, string(rune('a'+i)))
		}
	}
	return names
}

// TestLostDisks: any agents lose their disks while any others are silent, who come back in
// either order. There is never a second agency beside the one that has a disk left; as long
// as a majority has its disks nothing is lost and all trees are the same in the end; with
// fewer there is no leader, and it is said what to do.
func TestLostDisks(t *testing.T) {
	every := map[int]int{3: 7, 5: 397}
	if os.Getenv("STASIS_SOAK") != "" {
		every = map[int]int{3: 1, 5: 1}
	}
	led, leaderless := 0, 0
	for _, n := range []int{3, 5} {
		number := 0
		for wiped := range 1 << n {
			for silent := range 1 << n {
				for _, backwards := range []bool{false, true} {
					if number++; number%every[n] == 0 {
						l := lost{n, subset(wiped, n), subset(silent, n), backwards}
						inBubble(t, n, Timing{}, func(t *testing.T, c *cluster) {
							if c.lose(l) {
								led++
							} else {
								leaderless++
							}
						})
					}
				}
			}
		}
	}
	require.Greater(t, led, 3)
	require.Greater(t, leaderless, 3)
}

// lose plays a case, and says whether there was a leader in the end.
func (c *cluster) lose(l lost) bool {
	t := c.t
	t.Helper()
	for i := range 3 {
		require.Equal(t, 200, c.ask(c.leader(), "write", fmt.Sprintf(`[[{"x":%d}]]`, i)).status)
	}
	time.Sleep(2 * time.Second)
	before := c.config("a").Origin
	c.wipe(l.wiped...)
	for _, name := range l.silent {
		c.net.Freeze(name)
	}
	for _, name := range l.wiped {
		c.start(name)
	}
	c.watchFor(8*time.Second, l, before)
	order := slices.Clone(l.silent)
	if l.backwards {
		slices.Reverse(order)
	}
	for _, name := range order {
		c.net.Thaw(name)
		c.watchFor(1500*time.Millisecond, l, before)
	}
	c.watchFor(15*time.Second, l, before)
	trees := c.trees()
	var leads []string
	for name, a := range c.agents {
		if a.IsLeader() {
			leads = append(leads, name)
		}
	}
	switch left := l.n - len(l.wiped); {
	case left > 0 && len(leads) > 0:
		// A majority has its disks, or the leader had everything, and went on with
		// those that came back with nothing.
		require.Len(t, trees, 1, "%s: %v", l, trees)
		for _, names := range trees {
			require.Len(t, names, l.n, "%s: %v", l, trees)
		}
		require.Equal(t, `200 [{"x":2}]`, c.ask(c.leader(), "read", `[["x"]]`).String(), l.String())
		for name := range c.agents {
			require.Equal(t, before, c.config(name).Origin, l.String())
			require.False(t, c.agents[name].learner.Active(), "%s: %s", l, name)
		}
	case left > 0:
		require.LessOrEqual(t, left, l.n/2, "%s: there is a majority, and no leader", l)
		require.Len(t, trees, 1, "%s: %v", l, trees)
		for _, name := range l.wiped {
			if c.agents[name].learner.Active() { // else it had been given everything while there was a leader
				require.Contains(t, c.config(name).Status, "stasis agency recover", l.String())
			}
		}
	default:
		require.NotEqual(t, before, c.config(c.leader()).Origin, "nothing is left of it: this is another one")
		require.Empty(t, decoded(t, c.ask(c.leader(), "state", ""))["agency"])
	}
	return len(leads) > 0
}

// watchFor looks all the time whether there is a second agency, or a leader that lacks
// what was acknowledged.
func (c *cluster) watchFor(d time.Duration, l lost, before keys.Origin) {
	c.t.Helper()
	if len(l.wiped) == l.n {
		time.Sleep(d)
		return
	}
	for range int(d / (50 * time.Millisecond)) {
		time.Sleep(50 * time.Millisecond)
		for name, a := range c.agents {
			if a.origins.Origin().Exists() {
				require.Equal(c.t, before, a.origins.Origin(), "%s: %s belongs to a second agency", l, name)
			}
			if a.IsLeader() {
				require.Equal(c.t, `{"x":2}`, a.tree.State().Root().String(), "%s: %s leads", l, name)
			}
		}
	}
}

// TestFirstStart: at the first start silence is not emptiness: with any of the agents
// silent nothing is founded, and it is said who is missing; when all have answered there
// is one agency.
func TestFirstStart(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		for silent := 1; silent < 1<<n; silent += n - 1 {
			names := subset(silent, n)
			cold := Timing{}
			bubbles.Test(t, func(t *testing.T) {
				c := newCluster(t, n, cold)
				defer c.end()
				for _, name := range names {
					c.net.Freeze(name)
				}
				for name := range c.stores {
					c.start(name)
				}
				time.Sleep(10 * time.Second)
				for name, a := range c.agents {
					require.False(t, a.origins.Origin().Exists(), name)
				}
				if awake := c.others(names[0]); len(names) < n && !slices.Contains(names, awake[len(awake)-1]) {
					status := c.config(awake[len(awake)-1]).Status
					require.Contains(t, status, fmt.Sprintf("AGNT-%s (%s:1) does not answer", names[0], names[0]))
					require.Contains(t, status, "--bootstrap")
				}
				c.net.HealAll()
				require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":1}]]`).status)
				time.Sleep(10 * time.Second)
				trees := c.trees()
				require.Len(t, trees, 1)
				origin := c.config("a").Origin
				for name := range c.agents {
					require.Equal(t, origin, c.config(name).Origin)
				}
			})
		}
	}
}

// TestOtherPeers: agents that name different peers found nothing together.
func TestOtherPeers(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, Timing{})
		defer c.end()
		c.start("a")
		c.start("b")
		all := c.peers
		c.peers = map[string]string{"AGNT-a": "a:1", "AGNT-c": "c:1"}
		c.start("c")
		c.peers = all
		time.Sleep(10 * time.Second)
		require.Contains(t, c.config("a").Status, "AGNT-c (c:1) has nothing, but names other agents: [AGNT-a AGNT-c]")
		require.Contains(t, c.config("c").Status, "AGNT-a (a:1) has nothing, but names other agents")
		for _, a := range c.agents {
			require.False(t, a.origins.Origin().Exists())
		}
		c.kill("c")
		c.start("c")
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":1}]]`).status)
	})
}

// TestFounderWipedMeanwhile: an agent that has taken part in a founding and stood still
// before it ended has nothing, and remembers with whom it was. The others have gone ahead
// and lost their disks since: they must not found again with it.
func TestFounderWipedMeanwhile(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":"acknowledged"}]]`).status)
		seeds := c.agents["b"].origins.Part().Seeds
		c.wipe("a", "b", "c")
		require.NoError(t, note.Write(c.stores["b"], note.Learner, learner.Record{
			Seed: seeds["AGNT-b"], Met: map[string]string{"AGNT-a": seeds["AGNT-a"], "AGNT-c": seeds["AGNT-c"]},
		}))
		for name := range c.stores {
			c.start(name)
		}
		time.Sleep(15 * time.Second)
		for name, a := range c.agents {
			require.False(t, a.origins.Origin().Exists(), "%s: an agency is founded although one may have been lost", name)
		}
		require.Contains(t, c.config("c").Status, "AGNT-b knows that AGNT-a had another directory when a founding began")
		c.wipe("a", "b", "c") // no agent is left that remembers
		for name := range c.stores {
			c.start(name)
		}
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":1}]]`).status)
	})
}

// TestFounderLate: a founder that stood still before it ended the founding, and still has
// its directory, takes part at once: what it gave up for the founding it has given up once.
func TestFounderLate(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		part := c.agents[c.leader()].origins.Part()
		b := learner.Record{Seed: part.Seeds["AGNT-b"], Met: part.Seeds}
		for name, notes := range map[string]map[string]any{
			"before the decision":   {note.Learner: b},
			"the decision":          {note.Learner: b, note.Origin: part},
			"the end of learning":   {note.Origin: part},
			"another one's calling": {note.Learner: b, note.Origin: origin.Founded{Origin: part.Origin}},
		} {
			c.wipe("a", "b", "c")
			for _, other := range []string{"a", "c"} {
				require.NoError(t, note.Write(c.stores[other], note.Origin, part))
			}
			for which, value := range notes {
				require.NoError(t, note.Write(c.stores["b"], which, value))
			}
			c.start("b")
			c.start("a") // with one of the two it is a majority
			require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":1}]]`).status, name)
			require.False(t, c.agents["b"].learner.Active(), name)
			require.Equal(t, part.Origin, c.config("b").Origin, name)
		}
		c.start("c")
	})
}

// TestBootstrapDespiteSilence: with --bootstrap a majority founds without the silent one,
// who turns out to have the agency of before: it is the stranger, and stops; the two go
// on. A client that followed the agency of before does not follow the new one.
func TestBootstrapDespiteSilence(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":"old"}]]`).status)
		time.Sleep(time.Second)
		old := agencyclient.New(agencyclient.Options{Endpoints: []string{"a:1", "b:1", "c:1"}, HTTP: c.http})
		_, err := old.Read(t.Context(), "x")
		require.NoError(t, err)
		before := c.config("a").Origin
		require.Equal(t, before, old.Origin())
		c.wipe("a", "b")
		c.net.Freeze("c")
		c.bootstrap = "a"
		c.start("b")
		c.start("a")
		require.Equal(t, 200, c.ask(c.leader("c"), "write", `[[{"y":"new"}]]`).status)
		c.net.Thaw("c")
		err = c.stopped("c")
		require.ErrorIs(t, err, origin.ErrStranger)
		require.ErrorContains(t, err, "no majority left")
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			require.Equal(t, 200, c.ask(c.leader("c"), "write", `[[{"y":"goes on"}]]`).status)
		}
		time.Sleep(5 * time.Second)
		require.Len(t, c.trees(), 1)
		require.Equal(t, c.config("a").Origin, c.config("b").Origin)
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = old.Read(short, "y")
		require.ErrorIs(t, err, agencyclient.ErrUnavailable)
		require.ErrorIs(t, err, agencyclient.ErrStranger)
		short, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = old.Write(short, agencyclient.Tx{Ops: map[string]any{"z": 1}})
		require.ErrorContains(t, err, "belongs to another agency")
		require.Equal(t, `200 [{"y":"goes on"}]`, c.ask(c.leader("c"), "read", `[["/"]]`).String())
	})
}

// TestTwinsRecovered: two survivors were both recovered, by mistake. They are not one
// agency: who follows one does not follow the other, and neither takes the other in.
func TestTwinsRecovered(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":1}]]`).status)
		time.Sleep(time.Second)
		for _, name := range []string{"a", "b"} {
			c.kill(name)
			_, err := recovery.Recover(recovery.Options{Dir: memoryDir, FS: c.stores[name].FS()})
			require.NoError(t, err)
		}
		c.start("a")
		one := agencyclient.New(agencyclient.Options{Endpoints: []string{"a:1", "b:1"}, HTTP: c.http})
		_, err := one.Read(t.Context(), "x")
		require.NoError(t, err)
		c.start("b")
		time.Sleep(5 * time.Second)
		require.True(t, c.agents["a"].IsLeader() && c.agents["b"].IsLeader(), "each is an agency of its own")
		require.Equal(t, keys.Foreign, c.config("a").Origin.Sees(c.config("b").Origin))
		c.kill("a")
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = one.Read(short, "x")
		require.ErrorIs(t, err, agencyclient.ErrStranger)
		require.ErrorIs(t, c.stopped("c"), origin.ErrStranger, "it has met a later incarnation")
	})
}
