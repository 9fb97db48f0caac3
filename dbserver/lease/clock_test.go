package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
)

// hands are a clock whose hands a test moves.
type hands struct{ elapsed, wall time.Duration }

func (h *hands) clock() Clock {
	return Clock{
		Elapsed: func() time.Duration { return time.Hour + h.elapsed },
		Wall:    func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Add(h.wall) },
	}
}

func (h *hands) pass(elapsed, wall time.Duration) {
	h.elapsed += elapsed
	h.wall += wall
}

// What happens to a lease of seven seconds while one or both hands of the clock move.
func TestLeaseByBothHands(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		elapsed, wall time.Duration // in one go
		holds         bool
	}{
		"time passes":                                 {6 * s, 6 * s, true},
		"it has ended":                                {7 * s, 7 * s, false},
		"suspended, and the clock counts it":          {3600 * s, 3600 * s, false},
		"suspended, and the clock does not count it":  {0, 3600 * s, false},
		"for less than the lease":                     {0, 2 * s, false},
		"the time of day is set forward":              {s, 3100 * time.Millisecond, false},
		"the time of day is set back":                 {3 * s, 1900 * time.Millisecond, false},
		"to another day":                              {s, -86400 * s, false},
		"by less than a second forward":               {s, 1900 * time.Millisecond, true},
		"by less than a second back":                  {2 * s, 1100 * time.Millisecond, true},
		"the hand that says more counts: elapsed":     {7 * s, 6200 * time.Millisecond, false},
		"the hand that says more counts: time of day": {6200 * time.Millisecond, 7 * s, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hands{}
			l := New(h.clock())
			require.ErrorIs(t, l.Check(), apierror.NoLeader, "no lease yet")
			l.extend(l.clock.now(), 7*s)
			require.NoError(t, l.Check())
			h.pass(c.elapsed, c.wall)
			if c.holds {
				require.NoError(t, l.Check())
			} else {
				require.ErrorIs(t, l.Check(), apierror.NoLeader)
			}
		})
	}
}

// Hands that have parted do not bring the lease back when they are together again, and
// the answer to a heartbeat from before is worth nothing. One from after is.
func TestPartedHands(t *testing.T) {
	h := &hands{}
	l := New(h.clock())
	l.extend(l.clock.now(), 7*time.Second)
	before := l.clock.now()
	h.pass(0, 2*time.Second)
	require.Error(t, l.Check())
	l.extend(before, 7*time.Second) // how long ago it was sent is not known
	h.pass(0, -2*time.Second)
	require.Error(t, l.Check(), "given up")
	h.pass(0, 5*time.Second)
	after := l.clock.now()
	h.pass(6*time.Second, 6*time.Second)
	l.extend(after, 7*time.Second)
	require.NoError(t, l.Check())
	l.extend(before, 20*time.Second)
	h.pass(time.Second, time.Second)
	require.Error(t, l.Check(), "an older answer changes nothing")
}

func BenchmarkLeaseCheck(b *testing.B) {
	l := New(Clock{})
	l.extend(l.clock.now(), time.Hour)
	for b.Loop() {
		if err := l.Check(); err != nil {
			b.Fatal(err)
		}
	}
}
