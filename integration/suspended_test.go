package integration

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/lab/world"
	"stasis/minicluster"
)

// A leader's machine is suspended, as far as its clocks can tell, while its successor is
// named and writes are acknowledged. If the clock that its lease is measured by goes on
// meanwhile, or at least the time of day does, it serves nothing after that. If all its clocks stand
// still, as in a virtual machine that is paused, it does: that is not covered, and
// shows that the test would notice.
func TestSuspendedLeader(t *testing.T) {
	for name, c := range map[string]struct {
		elapsed, wall bool // goes on while the machine is suspended
		stale         bool
	}{
		"boot time goes on":                   {elapsed: true, wall: true},
		"monotonic time stands still":         {wall: true},
		"all clocks stand still: not covered": {stale: true},
	} {
		t.Run(name, func(t *testing.T) {
			var stopped atomic.Int64 // since when the clocks of the suspended machine stand still: since 2000, 0: they do not
			var victim atomic.Value
			clock := func(server string) minicluster.Clock {
				began := time.Now()
				now := func(goesOn bool) time.Time {
					if at := stopped.Load(); at != 0 && !goesOn && victim.Load() == server {
						return time.Unix(0, at)
					}
					return time.Now()
				}
				return minicluster.Clock{
					Elapsed: func() time.Duration { return now(c.elapsed).Round(0).Sub(began.Round(0)) },
					Wall:    func() time.Time { return now(c.wall) },
				}
			}
			inBubbleOf(t, world.Config{Agents: 3, DBServers: 3, Coordinators: 2, Adjust: func(o *minicluster.Options) { o.Seams.Clock = clock }}, 12, func(b *bubble) {
				b.create1("c", 3, 2)
				ctx := b.t.Context()
				old := b.leading(b.t)
				name := b.names[old.id]
				require.NoError(b.t, old.write(ctx, "k", `{"value":"old"}`))
				victim.Store(name)
				stopped.Store(time.Now().UnixNano())
				b.cut(name, append(b.agents(), append(b.servers(), "coordinator-1", "coordinator-2")...), true, true)
				b.await(time.Minute, func() error { return old.succeeded(ctx) })
				require.NoError(b.t, b.clients[0].Database("").Put(ctx, "c", map[string]any{"_key": "k", "value": "new"}))
				got, err := old.read(ctx, "k")
				if c.stale {
					require.NoError(b.t, err)
					require.Contains(b.t, got, `"old"`)
				} else {
					require.True(b.t, refuses(err), "%v %s", err, got)
					require.True(b.t, refuses(old.write(ctx, "k", `{"value":"x"}`)))
				}
				stopped.Store(0)
				b.net.HealAll()
				b.heal()
				b.follows(old, "new")
			})
		})
	}
}
