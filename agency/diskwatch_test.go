package agency

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slowDisks makes every agent's disk hang for so long, again and again, until the test ends.
func (c *cluster) slowDisks(each, pause time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var slow sync.WaitGroup
	for _, s := range c.stores {
		slow.Go(func() {
			for ctx.Err() == nil {
				thaw := s.freeze()
				time.Sleep(each)
				thaw()
				time.Sleep(pause)
			}
		})
	}
	return func() {
		cancel()
		slow.Wait()
	}
}

// TestAllDisksAreSlow: where a call takes one and a half times what is borne at first, on
// all agents, the agency loses its leader once or twice, and then works, slowly.
func TestAllDisksAreSlow(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		c.ask(c.leader(), "write", `[[{"x":0}]]`)
		stop := c.slowDisks(1600*time.Millisecond, time.Millisecond)
		defer stop()
		written, fenced := 0, 0
		for begin := time.Now(); time.Since(begin) < 3*time.Minute; time.Sleep(100 * time.Millisecond) {
			for name, a := range c.agents {
				if a.fence.Hang() != nil {
					fenced++
				}
				if a.IsLeader() {
					if r, err := c.try(t.Context(), name, "write", `[[{"x":{"op":"increment"}}]]`); err == nil && r.status == 200 && time.Since(begin) > time.Minute {
						written++
					}
				}
			}
		}
		t.Logf("%d writes in two minutes, %d times an agent was found fenced", written, fenced)
		require.Positive(t, fenced)
		require.Greater(t, written, 15)
	})
}
