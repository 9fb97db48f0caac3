//go:build failpoints

package dbserver

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/internal/failpoint"
)

// A write stall holds calls inside the engine of every server at once, for longer than a
// grace period, and no operation of a disk is late. No server loses a lead, a lease or its
// good health for it.
func TestStallsOnAllServersMoveNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		servers := []*Server{h.start("db1"), h.start("db2"), h.start("db3")}
		h.replicated("100", "s101", servers[0], servers[1])
		h.replicated("200", "s201", servers[1], servers[2])
		h.replicated("300", "s301", servers[2], servers[0])
		names := map[string]string{"100": "s101", "200": "s201", "300": "s301"}
		for i, name := range []string{"s101", "s201", "s301"} {
			require.NoError(t, h.put(servers[i], name, "before", `{}`))
		}
		time.Sleep(time.Second)
		plan := h.read(keys.PlanCollections).String()

		over, stalled := make(chan struct{}), atomic.Int64{}
		clear := failpoint.Set("engine/apply", failpoint.Anybody, func(context.Context, string) error {
			stalled.Add(1)
			<-over
			return nil
		})
		written := make(chan error, 3)
		for i, name := range []string{"s101", "s201", "s301"} {
			go func() { written <- h.put(servers[i], name, "during", `{}`) }()
		}
		for range 60 {
			time.Sleep(500 * time.Millisecond)
			for _, s := range servers {
				require.Nil(t, s.disk.Hang())
				require.NoError(t, s.mayLead())
				require.Equal(t, keys.StatusGood, h.health(s).Status)
			}
		}
		require.GreaterOrEqual(t, stalled.Load(), int64(3), "they did stall")
		require.Equal(t, plan, h.read(keys.PlanCollections).String(), "another server leads")
		clear()
		close(over)
		for range 3 {
			require.NoError(t, <-written)
		}
		for cid, name := range names {
			require.Equal(t, uint64(1), h.report(cid, name).Term)
		}
		h.alike("s101", servers[0], servers[1])
	})
}

// A commit that the disk holds inside the engine is given up: it keeps neither the gate
// nor the shard. When the disk answers the server opens its shards again, and what was
// given up is there on all replicas or on none.
func TestCommitThatIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, disk := h.onFrozen("db1")
		b := h.start("db2")
		h.replicated("100", "s101", a, b)
		require.NoError(t, h.put(a, "s101", "before", `{}`))
		time.Sleep(time.Second)
		held, over := atomic.Int64{}, make(chan struct{})
		release := sync.OnceFunc(func() { close(over) })
		defer release()
		defer failpoint.Set("engine/apply", "data/engine", func(context.Context, string) error {
			if held.Add(1) == 1 {
				<-over // a log's rotation that hangs
			}
			return nil
		})()
		disk.freeze()
		begun := time.Now()
		require.Error(t, h.put(a, "s101", "given-up", `{}`))
		require.Less(t, time.Since(begun), 5*time.Second)
		requireFreeGate(t, a)
		h.await("another leads", func() bool { return h.leader("100", "s101") == b.ID() })
		require.Contains(t, h.keysOf(b, "s101"), "before")
		release()
		disk.thaw()
		h.inSync("100", "s101", b.ID(), a.ID())
		require.NoError(t, h.put(b, "s101", "after", `{}`))
		h.alike("s101", a, b)
		require.Contains(t, h.keysOf(b, "s101"), "after")
	})
}
