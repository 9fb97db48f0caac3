package supervision

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/bubbles"
)

// superviseWith runs a supervision with a grace period.
func superviseWith(s *tree, grace time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, Config{Store: s, Steps: s.sink, Periods: Periods{Grace: grace}}) }()
	return sync.OnceFunc(func() {
		cancel()
		require.NoError(s.t, <-done)
	})
}

// silence measures how long a server that falls silent stays unfailed, to a second.
func (s *tree) silence(id string, atMost time.Duration) time.Duration {
	s.beat(id)
	begun := time.Now()
	for s.status(id) != keys.StatusFailed && time.Since(begun) < atMost {
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(begun)
}

func (s *tree) published() string { return s.Root().At(keys.SupervisionGrace).String() }

// The grace period is written before it is used.
func TestGraceIsPublishedFirst(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.write(agencyclient.Tx{Ops: map[string]any{keys.SupervisionGrace: agencyclient.Delete()}})
		s.plan(keys.PlanDBServers, "PRMR-1")
		s.fail(errNoMajority)
		defer superviseWith(s, 10*time.Second)()
		time.Sleep(3 * time.Minute)
		require.Empty(t, s.status("PRMR-1"))
		s.fail(nil)
		time.Sleep(time.Second + time.Millisecond)
		require.Equal(t, "10", s.published())
	})
}

// A longer period counts at once.
func TestLongerGraceCountsAtOnce(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanDBServers, "PRMR-1")
		defer superviseWith(s, 30*time.Second)()
		time.Sleep(time.Second + time.Millisecond)
		require.Equal(t, "30", s.published())
		require.InDelta(t, 32, s.silence("PRMR-1", time.Minute).Seconds(), 1.5)
		require.False(t, s.Root().At(keys.SupervisionGraceBefore).Exists())
	})
}

// A shorter period counts when the longer one, by which leases were taken, has
// passed once since the shorter one was written: also for the next leader.
func TestShorterGraceCountsLater(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.set(keys.SupervisionGrace, 40)
		s.plan(keys.PlanDBServers, "PRMR-1")
		s.plan(keys.PlanDBServers, "PRMR-2")
		stop := superviseWith(s, 10*time.Second)
		defer stop()
		time.Sleep(time.Second + time.Millisecond)
		require.Equal(t, "10", s.published())
		require.Equal(t, "40", s.Root().At(keys.SupervisionGraceBefore).String(), "the longer period is forgotten")
		stop()
		defer superviseWith(s, 10*time.Second)()
		time.Sleep(time.Second)
		require.InDelta(t, 41, s.silence("PRMR-1", time.Minute).Seconds(), 1.5, "the next leader knows of the longer one")
		require.False(t, s.Root().At(keys.SupervisionGraceBefore).Exists(), "%v", s.told())
		time.Sleep(time.Second)
		require.InDelta(t, 12, s.silence("PRMR-2", time.Minute).Seconds(), 1.5)
	})
}

// The shortest sensible grace period is kept, too: what is 1 s and 5 s by default
// gives way.
func TestShortGraceIsKept(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.set(keys.SupervisionGrace, 2)
		s.plan(keys.PlanDBServers, "PRMR-1")
		defer superviseWith(s, 2*time.Second)()
		time.Sleep(time.Second + time.Millisecond)
		require.InDelta(t, 2.5, s.silence("PRMR-1", time.Minute).Seconds(), 0.6)
	})
}

// A server that this leader never heard is not judged before the grace period is
// over, however short the leader grace is.
func TestLeaderGraceIsNoShorterThanGrace(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.plan(keys.PlanDBServers, "PRMR-1")
		s.set(keys.ServerHealth("PRMR-1"), keys.HealthEntry{Status: keys.StatusBad})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			_ = Run(ctx, Config{Store: s, Periods: Periods{Grace: 70 * time.Second, LeaderGrace: time.Second}})
		}()
		time.Sleep(70 * time.Second)
		require.Equal(t, keys.StatusBad, s.status("PRMR-1"))
		time.Sleep(2 * time.Second)
		require.Equal(t, keys.StatusFailed, s.status("PRMR-1"))
	})
}
