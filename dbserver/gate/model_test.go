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

// model is what the gate should be, told as a list: who is inside, who holds or
// waits, in order.
type model struct {
	inside int
	turn   string
	held   bool
	locks  []string
	queued int
	last   map[string]bool // what the last release reported, until the next lock
}

func (m *model) settle() {
	for m.turn == "" && len(m.locks) > 0 {
		m.turn, m.locks = m.locks[0], m.locks[1:]
	}
	if m.turn != "" && m.inside == 0 {
		m.held = true
	}
}

func (m *model) release(nonce string) {
	m.locks = slices.DeleteFunc(m.locks, func(n string) bool { return n == nonce })
	if m.turn == nonce {
		m.turn, m.held = "", false
		m.inside, m.queued = m.inside+m.queued, 0
	}
	m.settle()
}

// Any sequence of enters, leaves, locks and releases leaves the gate as the model
// has it.
func TestGateFollowsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 7), 1, 40).Draw(rt, "steps")
		bubbles.Test(t, func(t *testing.T) { follow(t, steps) })
	})
}

func follow(t *testing.T, steps []int) {
	g, m := New(nil), &model{last: map[string]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan func(), 100)
	for _, step := range steps {
		nonce := string(rune('a' + step%3))
		switch {
		case step < 2:
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
		case step < 4 && m.inside > 0:
			(<-left)()
			m.inside--
			m.settle()
		case step < 6:
			if m.turn == nonce || slices.Contains(m.locks, nonce) {
				_, err := g.Lock(ctx, nonce, time.Hour, 2*time.Hour)
				require.Error(t, err)
				break
			}
			go func() { _, _ = g.Lock(ctx, nonce, time.Hour, 2*time.Hour) }()
			delete(m.last, nonce)
			m.locks = append(m.locks, nonce)
			m.settle()
		case step >= 6:
			if _, released := m.last[nonce]; !released {
				m.last[nonce] = m.turn == nonce && m.held
			}
			require.Equal(t, m.last[nonce], g.Release(nonce).Unbroken)
			m.release(nonce)
		}
		synctest.Wait()
		requireModel(t, g, m)
	}
	cancel()
	synctest.Wait()
	for _, nonce := range []string{"a", "b", "c"} {
		g.Release(nonce)
	}
}

func requireModel(t *testing.T, g *Gate, m *model) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	got := model{inside: g.inside, queued: len(g.writers)}
	if g.turn != nil {
		got.turn, got.held = g.turn.nonce, g.turn.held
	}
	for _, l := range g.locks {
		got.locks = append(got.locks, l.nonce)
	}
	want := *m
	want.last = nil
	want.locks = append([]string(nil), m.locks...)
	require.Equal(t, want, got)
}
