package agency

import (
	"time"

	"stasis/fsm"
)

// watchers are those who wait for changes of the tree. The machine's mu guards them.
type watchers struct {
	followers int                          // polls that wait
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
	pause := min(longestBeat, time.Duration(max(m.crowd, m.followers))*beatPerFollower)
	rest := pause - time.Since(m.beaten)
	switch {
	case rest <= 0:
		m.strike()
	case m.due == nil:
		m.due = time.AfterFunc(rest, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.strike()
		})
	}
	state := m.tree.State()
	for f, index := range m.fires {
		if state.Index() >= index {
			delete(m.fires, f)
			(*f)(state)
		}
	}
}

// striking is closed when the followers are woken, nil if that is not due.
func (m *machine) striking() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.due == nil {
		return nil
	}
	return m.beat
}

func (m *machine) strike() {
	if m.due != nil {
		m.due.Stop()
		m.due = nil
	}
	m.beaten = time.Now()
	m.crowd = max(m.followers, m.crowd-m.crowd/8-1)
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
