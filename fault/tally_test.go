package fault_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
)

// What a rule kept from arriving is counted, in the direction in which it went.
func TestMetCountsWhatDidNotArrive(t *testing.T) {
	play(t, func(s scene) {
		s.send(s.a, "arrives")
		require.Zero(s, s.m.Met("a", "b"))
		s.m.Delay("a", "b", time.Second)
		s.send(s.a, "on its way")
		s.m.Cut("a", "b")
		require.Equal(s, 1, s.m.Met("a", "b"))
		s.send(s.a, "later")
		require.Equal(s, 2, s.m.Met("a", "b"))
		_, err := s.dial(time.Second)
		require.ErrorIs(s, err, context.DeadlineExceeded)
		require.Equal(s, 3, s.m.Met("a", "b"))
		s.m.HealAll()
		s.m.Drop("a", "b")
		s.send(s.a, "lost")
		require.Equal(s, 4, s.m.Met("a", "b"))
		require.Zero(s, s.m.Met("b", "a"))
	})
}

// Bytes that Drop loses on their way are counted, once, and so is a handshake that is cut off in the middle.
func TestMetCountsWhatWasOnItsWay(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("a", "b", time.Second)
		s.send(s.a, "on its way")
		s.m.Drop("a", "b")
		require.Equal(s, 1, s.m.Met("a", "b"))
		s.m.Drop("a", "b")
		s.m.Cut("a", "b")
		require.Equal(s, 1, s.m.Met("a", "b"), "what is lost is not counted again")
		s.m.Heal("a", "b")

		dialed := make(chan error, 1)
		go func() {
			_, err := s.dial(3 * time.Second)
			dialed <- err
		}()
		time.Sleep(time.Second / 2)
		s.m.Cut("a", "b")
		require.ErrorIs(s, <-dialed, context.DeadlineExceeded)
		require.Equal(s, 2, s.m.Met("a", "b"))
	})
}

// Each kind of rule counts pieces and bytes for itself.
func TestTally(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("a", "b", time.Second)
		s.m.Throttle("a", "b", 1000)
		s.send(s.a, "12345")
		s.m.Freeze("b")
		s.send(s.a, "123")
		s.m.Thaw("b")
		s.m.Cut("a", "b")
		s.send(s.a, "12")
		s.m.HealAll()
		s.m.Drop("a", "b")
		s.send(s.a, "1234")
		s.m.Reset("a", "b")
		require.Equal(s, fault.Tally{
			Delayed: fault.Count{Pieces: 3, Bytes: 10}, Throttled: fault.Count{Pieces: 3, Bytes: 10},
			Frozen: fault.Count{Pieces: 2, Bytes: 8}, // what was on its way is counted, too
			Held:   fault.Count{Pieces: 3, Bytes: 10},
			Lost:   fault.Count{Pieces: 4, Bytes: 14}, // with what was on its way
			Reset:  1,
		}, s.m.Tally("a", "b"))
		require.Equal(s, fault.Tally{Reset: 1}, s.m.Tally("b", "a"))
		require.Equal(s, 9, s.m.Met("a", "b"))
	})
}
