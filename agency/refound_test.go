package agency

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wipe takes an agent's disk away.
func (c *cluster) wipe(names ...string) {
	c.t.Helper()
	for _, name := range names {
		if c.agents[name] != nil {
			c.kill(name)
		}
		c.stores[name] = NewMemoryStores()
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
		require.Zero(t, c.agents["a"].raft.LastIndex())
		c.net.Thaw("c")
		time.Sleep(10 * time.Second)
		require.Equal(t, map[string]any{"x": "acknowledged"}, decoded(t, c.ask("c", "state", ""))["agency"])
		for _, name := range []string{"a", "b"} {
			require.False(t, c.agents[name].IsLeader())
			require.Empty(t, decoded(t, c.ask(name, "state", ""))["agency"])
		}
	})
}
