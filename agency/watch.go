package agency

import (
	"time"

	"stasis/fsm"
)

// watchers are those who wait for changes of the tree. The machine's mu guards them.
type watchers struct {
	followers int                          // polls that wait
	asked     int                          // polls that began since they were woken
	crowd     int                          // how many they were lately: who was woken asks again
	beat      chan struct{}                // closed and replaced to wake them
	beaten    time.Time                    // when that was last done
	due       *time.Timer                  // will do it
	fires     map[*func(*fsm.State)]uint64 // what is to run when an index is reached
}

// Every follower that is woken costs an answer. They are woken at once when the
// tree has been quiet; while it changes all the time, as rarely as keeps their
// cost small: the more they are, the more changes they are told of at once.
const (
	beatPerFollower = time.Millisecond
	longestBeat     = 100 * time.Millisecond
)

func newWatchers() watchers {
	return watchers{beat: make(chan struct{}), fires: map[*func(*fsm.State)]uint64{}}
}

// follow counts a poll that waits, until gone is called.
func (m *machine) follow() (state *fsm.State, changed <-chan struct{}, gone func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.followers++
	m.asked++
	return m.tree.State(), m.beat, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.followers--
	}
}

// pulse gives the state, and a channel that is closed some time after it has changed.
func (m *machine) pulse() (*fsm.State, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tree.State(), m.beat
}

// moved wakes the followers, now or soon, and runs what waits for the index that
// the tree has reached. Callers hold mu.
func (m *machine) moved() {
	if rest := m.rest(); rest <= 0 {
		m.strike()
	} else {
		m.strikeIn(rest)
	}
	state := m.tree.State()
	for f, index := range m.fires {
		if state.Index() >= index {
			delete(m.fires, f)
			(*f)(state)
		}
	}
}

// rest is how long the followers are to be left alone, 0 or less if they are not.
func (m *machine) rest() time.Duration {
	all := max(m.followers, m.asked, m.crowd)
	return min(longestBeat, time.Duration(all)*beatPerFollower) - time.Since(m.beaten)
}

// striking is closed when the followers are woken next, nil if there is no reason to
// wait for that. Without it those who lag, because they are far away, would be answered
// at once each time they ask.
func (m *machine) striking() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	rest := m.rest()
	if rest <= 0 {
		return nil
	}
	m.strikeIn(rest)
	return m.beat
}

func (m *machine) strikeIn(rest time.Duration) {
	if m.due != nil {
		return
	}
	m.due = time.AfterFunc(rest, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.strike()
	})
}

func (m *machine) strike() {
	if m.due != nil {
		m.due.Stop()
		m.due = nil
	}
	m.beaten = time.Now()
	m.crowd = max(m.followers, m.asked, m.crowd-m.crowd/8-1)
	m.asked = 0
	close(m.beat)
	m.beat = make(chan struct{})
}

// fire runs f once, when the tree has reached an index, before whoever brought it
// there has an answer. If it has been reached already, f is not run. forget ends it.
func (m *machine) fire(index uint64, f func(*fsm.State)) (forget func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tree.State().Index() >= index {
		return func() {}
	}
	m.fires[&f] = index
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.fires, &f)
	}
}
