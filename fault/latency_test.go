package fault_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
)

const least, most = 2 * time.Millisecond, 9 * time.Millisecond

// trip sends a byte and says how long it was on its way.
func (s scene) trip(back bool) time.Duration {
	s.Helper()
	from, to := s.a, s.b
	if back {
		from, to = s.b, s.a
	}
	begun := time.Now()
	s.send(from, "x")
	_, err := io.ReadFull(to, make([]byte, 1))
	require.NoError(s, err)
	return time.Since(begun)
}

// trips of a network with a latency of a seed.
func trips(t *testing.T, seed uint64, otherTraffic bool) (there, back []time.Duration) {
	play(t, func(s scene) {
		s.m.Latency(least, most, seed)
		for range 50 {
			there = append(there, s.trip(false))
			if otherTraffic {
				s.m.Tally("a", "c") // a link that is made later
				_, err := s.dial(time.Second)
				require.NoError(s, err)
			}
		}
		for range 50 {
			back = append(back, s.trip(true))
		}
	})
	return there, back
}

// Each link has a latency with jitter of its own, the same for the same seed.
func TestLatencyIsSeeded(t *testing.T) {
	there, back := trips(t, 1, false)
	again, backAgain := trips(t, 1, false)
	other, _ := trips(t, 2, false)
	require.Equal(t, there, again)
	require.Equal(t, back, backAgain)
	require.NotEqual(t, there, other)
	require.NotEqual(t, there, back)
	different := map[time.Duration]bool{}
	for _, d := range append(there, back...) {
		require.GreaterOrEqual(t, d, least)
		require.LessOrEqual(t, d, most)
		different[d] = true
	}
	require.Greater(t, len(different), 50, "there is jitter")
	_, busy := trips(t, 1, true)
	require.Len(t, busy, 50)
}

// Healing takes faults back and no latency; Delay comes on top; a host has none to itself.
func TestHealingKeepsLatency(t *testing.T) {
	play(t, func(s scene) {
		s.m.Latency(least, least, 1)
		s.m.LinkLatency("b", "a", most, most, 1)
		s.m.Delay("a", "b", time.Second)
		require.Equal(s, time.Second+least, s.trip(false))
		s.m.Delay("a", "b", 0)
		require.Equal(s, least, s.trip(false))
		s.m.Delay("a", "b", time.Second)
		s.m.Cut("b", "a")
		s.m.HealAll()
		require.Equal(s, least, s.trip(false))
		require.Equal(s, most, s.trip(true), "of this direction alone")
		took, err := s.dial(time.Second)
		require.NoError(s, err)
		require.Equal(s, least+most, took, "a handshake has it, too")

		own, err := s.m.Host("a").Listen("a:1")
		require.NoError(s, err)
		begun := time.Now()
		dialTo(s.T, s.m.Host("a"), own)
		require.Zero(s, time.Since(begun))

		s.m.Latency(0, 0, 0)
		require.Zero(s, s.trip(true))
	})
}

// A stream is in order whatever is drawn, also when a cut has held it back.
func TestLatencyNeverReorders(t *testing.T) {
	play(t, func(s scene) {
		s.m.Latency(0, time.Second, 3)
		var want []byte
		for i := range 200 {
			if i == 100 {
				s.m.Cut("a", "b")
			}
			want = append(want, byte(i))
			_, err := s.a.Write([]byte{byte(i)})
			require.NoError(s, err)
		}
		s.m.Heal("a", "b")
		got := make([]byte, len(want))
		_, err := io.ReadFull(s.b, got)
		require.NoError(s, err)
		require.Equal(s, want, got)
	})
}

// The list of rules is in an order of its own, and says what was met.
func TestRulesAreListed(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := fault.NewNetwork()
		require.Empty(t, m.Rules())
		rule := m.Message(fault.Message{From: "a", Path: "/x", Do: fault.LoseAnswer, Every: 2, By: time.Second})
		m.Cut("b", "a")
		m.Delay("a", "b", time.Second)
		m.Throttle("a", "b", 1000)
		m.LinkLatency("a", "b", least, most, 1)
		m.FreezeLink("a", "c")
		m.Isolate("z")
		m.Freeze("y")
		var lines []string
		for _, r := range m.Rules() {
			lines = append(lines, r.String())
		}
		require.Equal(t, []string{
			"freeze y (met 0)",
			"isolate z (met 0)",
			"latency a -> b 2ms..9ms (met 0)",
			"delay a -> b 1s (met 0)",
			"throttle a -> b 1000 bytes/s (met 0)",
			"freeze link a -> c (met 0)",
			"cut b -> a (met 0)",
			"message lose answer a -> any /x by 1s every 2 (met 0)",
		}, lines)
		m.HealAll()
		require.Len(t, m.Rules(), 1, "the latency")
		rule.End()
		require.NoError(t, m.Close())
	})
}
