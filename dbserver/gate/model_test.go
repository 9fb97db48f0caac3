package gate

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/bubbles"
)

// silence is how long a lock of the model may be without a beat.
const silence = 500 * time.Millisecond

// model is what the gate should be, told as a list: who is inside, who holds or
// waits, in order.
type model struct {
	inside int
	turn   string
	held   bool
	locks  []string
	queued int
	last   map[string]bool // what the last release reported, until the next lock
	broken map[string]bool // of the newest attempt
	beats  map[string]time.Duration
	now    time.Duration
}

func (m *model) advance() {
	for m.turn == "" && len(m.locks) > 0 {
		m.turn, m.locks = m.locks[0], m.locks[1:]
	}
	if m.turn != "" && m.inside == 0 {
		m.held = true
	}
}

func (m *model) busy(nonce string) bool { return m.turn == nonce || slices.Contains(m.locks, nonce) }

func (m *model) end(nonce string) {
	m.locks = slices.DeleteFunc(m.locks, func(n string) bool { return n == nonce })
	delete(m.beats, nonce)
	if m.turn == nonce {
		m.turn, m.held = "", false
		m.inside, m.queued = m.inside+m.queued, 0
	}
	m.advance()
}

// lock begins an attempt, which ends the one before.
func (m *model) lock(nonce string) {
	if m.busy(nonce) {
		m.end(nonce)
	}
	delete(m.last, nonce)
	delete(m.broken, nonce)
	m.beats[nonce] = m.now
	m.locks = append(m.locks, nonce)
	m.advance()
}

func (m *model) release(nonce string) bool {
	if _, released := m.last[nonce]; !released {
		m.last[nonce] = m.turn == nonce && m.held && !m.broken[nonce]
	}
	m.end(nonce)
	return m.last[nonce]
}

// pass lets time go by: locks end, in the order in which their silence becomes too long.
func (m *model) pass(d time.Duration) {
	until := m.now + d
	for {
		next, nonce := until+1, ""
		for n, beat := range m.beats {
			if beat+silence < next || beat+silence == next && n < nonce {
				next, nonce = beat+silence, n
			}
		}
		if nonce == "" || next > until {
			m.now = until
			return
		}
		m.now = next
		m.broken[nonce] = true
		m.end(nonce)
	}
}

// Any sequence of enters, leaves, locks, beats, silences and releases leaves the gate as
// the model has it.
func TestGateFollowsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 29), 1, 60).Draw(rt, "steps")
		bubbles.Test(t, func(t *testing.T) { follow(t, steps) })
	})
}

func follow(t *testing.T, steps []int) {
	g, m := New(nil), &model{last: map[string]bool{}, broken: map[string]bool{}, beats: map[string]time.Duration{}}
	ctx, cancel := context.WithCancel(t.Context())
	left, holds := make(chan func(), 100), map[string]*Lock{}
	for n, step := range steps {
		nonce := string(rune('a' + step%3))
		switch step / 3 {
		case 0, 1:
			go func() {
				if leave, err := g.Enter(ctx); err == nil {
					left <- leave
				}
			}()
			if m.turn == "" {
				m.inside++
			} else {
				m.queued++
			}
		case 2, 3:
			if m.inside > 0 {
				(<-left)()
				m.inside--
				m.advance()
			}
		case 4, 5:
			l, err := g.Lock(Claim{Nonce: nonce, Attempt: uint64(n + 1), Window: time.Hour, Lease: 2 * time.Hour, Silence: silence})
			require.NoError(t, err)
			holds[nonce] = l
			m.lock(nonce)
		case 6:
			require.Equal(t, m.release(nonce), release(g, nonce).Unbroken)
		case 7, 8:
			if l := holds[nonce]; l != nil {
				l.Beat()
			}
			if m.busy(nonce) {
				m.beats[nonce] = m.now
			}
		case 9:
			time.Sleep(time.Duration(step) * 10 * time.Millisecond)
			m.pass(time.Duration(step) * 10 * time.Millisecond)
		}
		synctest.Wait()
		requireModel(t, g, m)
	}
	cancel()
	synctest.Wait()
	for _, nonce := range []string{"a", "b", "c"} {
		g.GiveUp(nonce)
	}
}

func requireModel(t *testing.T, g *Gate, m *model) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	got := model{inside: g.inside, queued: len(g.writers)}
	if g.turn != nil {
		got.turn, got.held = g.turn.claim.Nonce, g.turn.held
	}
	for _, l := range g.locks {
		got.locks = append(got.locks, l.claim.Nonce)
	}
	want := model{inside: m.inside, queued: m.queued, turn: m.turn, held: m.held, locks: append([]string(nil), m.locks...)}
	require.Equal(t, want, got)
}
