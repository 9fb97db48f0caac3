package dbserver

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// Each step of the time of day costs a lease, which is taken again in the way of one that
// has ended: by the counter that verdicts name.
func TestLeaseIsTakenAnewAfterAStep(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		var set atomic.Int64
		h.clock.Wall = func() time.Time { return time.Now().Add(time.Duration(set.Load())) }
		a := h.start("db1")
		h.replicated("100", "s101", a)
		taken := func() int64 {
			n, _ := h.read(keys.ServerKnown(a.ID()) + "/leases").Int()
			return n
		}
		first := taken()
		time.Sleep(time.Minute)
		require.Equal(t, first, taken(), "time that passes costs nothing")
		for i, step := range []time.Duration{time.Hour, -2 * time.Hour, 900 * time.Millisecond} {
			set.Add(int64(step))
			if i < 2 {
				require.ErrorIs(t, a.lease.Check(), apierror.NoLeader)
				require.ErrorIs(t, h.put(a, "s101", "k", `{}`), apierror.NoLeader)
			}
			h.await("it has its lease", func() bool { return a.lease.Check() == nil })
			require.NoError(t, h.put(a, "s101", "k", `{}`))
			time.Sleep(10 * time.Second)
			require.Equal(t, first+int64(min(i+1, 2)), taken())
		}
	})
}
