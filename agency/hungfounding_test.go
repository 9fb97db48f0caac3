package agency

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// TestDiskHangsAtTheFounding: an agent cannot write down who asks it, because its disk hangs
// before there is an agency. It counts as silent, so nothing is founded without it. The
// others name it, it says itself what is wrong, and when the disk is back the agency is
// founded.
func TestDiskHangsAtTheFounding(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, Timing{})
		defer c.end()
		c.start("c")
		thaw := c.freeze("c")
		c.start("a")
		c.start("b")
		time.Sleep(20 * time.Second)
		for _, name := range []string{"a", "b"} {
			require.Contains(t, c.config(name).Status, "AGNT-c (c:1) does not answer")
			require.Zero(t, c.agents[name].node.Raft.LastIndex(), "an agency is founded without an agent that may have one")
		}
		require.Contains(t, c.config("c").Status, "its disk hangs", "it does not say what the others wait for")
		thaw()
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":1}]]`).status)
		time.Sleep(5 * time.Second)
		require.Empty(t, c.config("c").Status)
	})
}
