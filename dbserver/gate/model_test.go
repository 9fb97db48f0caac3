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
	inside [classes]int
	turn   string
	held   bool
	locks  []string
	queued [classes]int
	modes  map[string]Mode // of the newest attempt
	last   map[string]bool // what the last release reported, until the next lock
	broken map[string]bool // of the newest attempt
	beats  map[string]time.Duration
	now    time.Duration
}

func newModel() *model {
	return &model{modes: map[string]Mode{}, last: map[string]bool{}, broken: map[string]bool{}, beats: map[string]time.Duration{}}
}

func (m *model) advance() {
	if m.turn == "" && len(m.locks) > 0 {
		m.turn, m.locks = m.locks[0], m.locks[1:]
	}
	if m.turn != "" && m.inside[Writer]+m.inside[Committing] == 0 && (m.modes[m.turn] == Commits || m.inside[Open] == 0) {
		m.held = true
	}
}

// enters says whether an operation gets in at once.
func (m *model) enters(e Entry) bool {
	return m.turn == "" || m.modes[m.turn] == Commits && e.Class == Open || m.modes[m.turn] == Transactions && e.Opened && !m.held
}

func (m *model) busy(nonce string) bool { return m.turn == nonce || slices.Contains(m.locks, nonce) }

func (m *model) end(nonce string) {
	m.locks = slices.DeleteFunc(m.locks, func(n string) bool { return n == nonce })
	delete(m.beats, nonce)
	if m.turn == nonce {
		m.turn, m.held = "", false
		for c, n := range m.queued {
			m.inside[c] += n
		}
		m.queued = [classes]int{}
	}
	m.advance()
}

// lock begins an attempt, which ends the one before.
func (m *model) lock(nonce string, mode Mode) {
	if m.busy(nonce) {
		m.end(nonce)
	}
	delete(m.last, nonce)
	delete(m.broken, nonce)
	m.beats[nonce], m.modes[nonce] = m.now, mode
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

// step is one thing that is done with the gate.
type step struct {
	do    string
	nonce string
	entry Entry
	mode  Mode
	time  time.Duration
}

// anyStep draws a step. What does more than others comes more often.
var anyStep = rapid.Custom(func(t *rapid.T) step {
	return step{
		do:    rapid.SampledFrom([]string{"enter", "enter", "commit", "try", "leave", "leave", "leave", "lock", "lock", "release", "beat", "beat", "wait"}).Draw(t, "do"),
		nonce: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "nonce"),
		entry: Entry{Class: Class(rapid.IntRange(0, classes-1).Draw(t, "class"))},
		mode:  rapid.SampledFrom([]Mode{Transactions, Commits}).Draw(t, "mode"),
		time:  time.Duration(rapid.IntRange(1, 400).Draw(t, "ms")) * time.Millisecond,
	}
})

// Any sequence of enters, leaves, locks in both modes, beats, silences and releases leaves the gate as the model has
// it. So nothing that writes or commits is inside when a gate is granted, what is open only in mode commits, and
// whatever queues gets in when the turn ends for which it waits, before the next lock.
func TestGateFollowsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(anyStep, 1, 60).Draw(rt, "steps")
		bubbles.Test(t, func(t *testing.T) { follow(t, steps) })
	})
}

// walk does steps with the gate and with the model.
type walk struct {
	t     *testing.T
	ctx   context.Context
	g     *Gate
	m     *model
	left  [classes]chan func() // of those inside
	holds map[string]*Lock
}

func follow(t *testing.T, steps []step) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &walk{t: t, ctx: ctx, g: New(nil), m: newModel(), holds: map[string]*Lock{}}
	for c := range w.left {
		w.left[c] = make(chan func(), 100)
	}
	for n, s := range steps {
		w.do(uint64(n+1), s)
		synctest.Wait()
		requireModel(t, w.g, w.m)
	}
	for _, nonce := range []string{"a", "b", "c"} {
		w.g.GiveUp(nonce)
		w.m.end(nonce)
	}
	synctest.Wait()
	requireModel(t, w.g, w.m)
	require.Zero(t, w.m.queued, "something waits at an open gate")
	for c, inside := range w.m.inside {
		require.Len(t, w.left[c], inside)
	}
}

func (w *walk) do(attempt uint64, s step) {
	m := w.m
	switch s.do {
	case "enter":
		w.enter(s.entry)
	case "commit":
		if m.inside[Open] > 0 {
			w.enter(Entry{Class: Committing, Who: "T", Opened: true})
		}
	case "try":
		s.entry.Opened = m.inside[Open] > 0
		leave, err := w.g.TryEnterAs(s.entry)
		require.Equal(w.t, m.enters(s.entry), err == nil, "%v", err)
		if err == nil {
			m.inside[s.entry.Class]++
			w.left[s.entry.Class] <- leave
		}
	case "leave":
		if m.inside[s.entry.Class] > 0 {
			(<-w.left[s.entry.Class])()
			m.inside[s.entry.Class]--
			m.advance()
		}
	case "lock":
		l, err := w.g.Lock(Claim{Nonce: s.nonce, Attempt: attempt, Mode: s.mode, Window: time.Hour, Lease: 2 * time.Hour, Silence: silence})
		require.NoError(w.t, err)
		w.holds[s.nonce] = l
		m.lock(s.nonce, s.mode)
	case "release":
		require.Equal(w.t, m.release(s.nonce), release(w.g, s.nonce).Unbroken)
	case "beat":
		if l := w.holds[s.nonce]; l != nil {
			l.Beat()
		}
		if m.busy(s.nonce) {
			m.beats[s.nonce] = m.now
		}
	case "wait":
		time.Sleep(s.time)
		m.pass(s.time)
	}
}

func (w *walk) enter(e Entry) {
	go func() { // until it has entered, or the walk ends
		if leave, err := w.g.EnterAs(w.ctx, e); err == nil {
			w.left[e.Class] <- leave
		}
	}()
	if w.m.enters(e) {
		w.m.inside[e.Class]++
	} else {
		w.m.queued[e.Class]++
	}
}

func requireModel(t *testing.T, g *Gate, m *model) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	got := model{inside: g.inside}
	for _, w := range g.queue {
		got.queued[w.entry.Class]++
	}
	if g.turn != nil {
		got.turn, got.held = g.turn.claim.Nonce, g.turn.held
	}
	for _, l := range g.locks {
		got.locks = append(got.locks, l.claim.Nonce)
	}
	want := model{inside: m.inside, queued: m.queued, turn: m.turn, held: m.held, locks: append([]string(nil), m.locks...)}
	require.Equal(t, want, got)
}
