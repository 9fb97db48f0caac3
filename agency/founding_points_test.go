//go:build failpoints

package agency

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/recovery"
	"stasis/internal/bubbles"
	"stasis/internal/failpoint"
)

// TestSecondRound: agent b has a's answer that it has nothing, and stands still before it
// asks c. Meanwhile a and c found the agency, acknowledge a write, and c loses its disk
// and has nothing again. When b goes on, all that it has been told is that all have
// nothing. It must ask again before it founds: a has the agency now.
func TestSecondRound(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, Timing{})
		defer c.end()
		reached, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		defer failpoint.Set("agency/founding/ask", "AGNT-b AGNT-c", func(context.Context, string) error {
			once.Do(func() {
				time.Sleep(time.Second) // a has answered
				close(reached)
				<-goOn
			})
			return nil
		})()
		c.net.Cut("c", "b") // b is not told c's seed
		c.start("a")
		c.start("b")
		<-reached
		c.start("c")
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":"acknowledged"}]]`).status)
		time.Sleep(time.Second)
		before := c.config("a").Origin
		require.NotContains(t, c.agents["b"].learner.Known().Met, "AGNT-c")
		c.wipe("c")
		c.start("c")
		c.net.HealAll()
		close(goOn)
		time.Sleep(10 * time.Second)
		for name := range c.agents {
			require.Equal(t, before, c.config(name).Origin, "%s has founded a second agency", name)
		}
		require.Equal(t, `200 [{"x":"acknowledged"}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
	})
}

// TestRecoveredAgencyIsAskedOnce: an agent with nothing finds an agency that was recovered, and asks to
// become a member of it. From then on it takes part in no founding: if that agency was silent, it could
// found a second one.
func TestRecoveredAgencyIsAskedOnce(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":1}]]`).status)
		time.Sleep(time.Second) // all have it
		for _, name := range []string{"a", "b", "c"} {
			c.kill(name)
		}
		_, err := recovery.Recover(recovery.Options{Dir: memoryDir, FS: c.stores["a"].FS(), Logger: logger(t)})
		require.NoError(t, err)
		c.start("a")
		c.leader()
		var asked atomic.Int64
		defer failpoint.Set("agency/founding/ask", "AGNT-b AGNT-a", func(context.Context, string) error {
			asked.Add(1)
			return nil
		})()
		c.wipe("b")
		c.start("b")
		c.voters(2)
		require.EqualValues(t, 1, asked.Load())
	})
}
