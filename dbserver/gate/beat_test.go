package gate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

func claim(attempt uint64) Claim {
	return Claim{Nonce: "a", Attempt: attempt, Window: time.Hour, Lease: time.Hour, Silence: silence}
}

// A gate that is held without beats opens by itself, to the instant, and says why.
func TestSilenceOpensTheGate(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		l, err := g.Lock(claim(1))
		require.NoError(t, err)
		for range 20 {
			time.Sleep(silence - time.Millisecond)
			l.Beat()
		}
		begun := time.Now()
		enter(t, g)()
		require.Equal(t, silence, time.Since(begun))
		<-l.Ended()
		require.ErrorIs(t, l.Err(), apierror.GateLost)
		require.ErrorIs(t, g.Check("a", 1), apierror.GateLost)
		r := g.Release("a", 1)
		require.False(t, r.Unbroken)
		require.Contains(t, r.Reason, "no beat of the coordinator")
	})
}

// A lock that still waits is silent: the writers behind it go on, and it gets the gate
// no more.
func TestSilenceEndsTheWait(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		leave := enter(t, g)
		l, err := g.Lock(claim(1))
		require.NoError(t, err)
		begun := time.Now()
		enter(t, g)()
		require.Equal(t, silence, time.Since(begun))
		leave()
		synctest.Wait()
		require.ErrorIs(t, l.Err(), apierror.GateLost)
		enter(t, g)()
	})
}

// Beats that were held back, because the coordinator, the network or this server stood
// still, do not make up for the silence. (Blocking without a timer stands for a server
// that is stopped: its timers have not run when it reads the beats that wait.)
func TestBufferedBeatsDoNotHelp(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		l, err := g.Lock(claim(1))
		require.NoError(t, err)
		g.mu.Lock()
		l.beat = l.beat.Add(-silence - time.Millisecond)
		g.mu.Unlock()
		for range 7 {
			l.Beat()
		}
		require.ErrorIs(t, g.Check("a", 1), apierror.GateLost)
		require.False(t, g.Release("a", 1).Unbroken)
	})
}

// The coordinator goes on with its next attempt while an earlier one, of which it has
// lost sight, still holds the gate.
func TestNewerAttemptEndsTheOlder(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		one, err := g.Lock(claim(1))
		require.NoError(t, err)
		two, err := g.Lock(claim(2))
		require.NoError(t, err)
		<-one.Ended()
		<-two.Granted()
		one.Break("its request ended")
		_, err = g.Lock(claim(1))
		require.ErrorIs(t, err, apierror.GateLost, "it comes late")
		require.NotEmpty(t, g.Release("a", 1).Reason)
		require.NoError(t, g.Check("a", 2))
		require.True(t, g.Release("a", 2).Unbroken)
		require.NoError(t, two.Err())
		require.False(t, g.Release("a", 4).Unbroken, "its lock is on its way")
		for _, late := range []uint64{3, 4} {
			_, err = g.Lock(claim(late))
			require.ErrorIs(t, err, apierror.GateLost)
		}
	})
}
