package api

import (
	"container/list"
	"crypto/rand"
	"sync"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// What is remembered of writes. Beyond it the sessions go that were used longest ago, and what a session
// remembers of its oldest writes.
const (
	maxSessions   = 4096
	maxOfSession  = 1 << 16 // numbers
	maxRemembered = 1 << 18 // numbers of all sessions
	maxAnswer     = 16 << 10
	maxAnswers    = 16 << 20 // bytes of all answers that are kept
)

// sessions remember which writes have arrived, so that one that arrives again is not done again. They live as
// long as the process: a write in a session of an earlier one is refused.
type sessions struct {
	mu         sync.Mutex
	all        map[string]*session
	used       list.List // of *session: the one that was used longest ago is first
	remembered int       // numbers
	bytes      int       // of answers
}

// session is what is remembered of the writes of one client.
type session struct {
	id     string
	place  *list.Element
	floor  uint64 // no write below it is done any more
	writes map[uint64]*arrival
}

// arrival is a write that has arrived.
type arrival struct {
	done   chan struct{} // closed when it has ended
	answer answer        // once done
}

// answer is what a write was answered; status 0: it is not kept, so for a copy the outcome is unknown.
type answer struct {
	status int
	body   []byte
}

func newSessions() *sessions { return &sessions{all: map[string]*session{}} }

// open begins a session.
func (m *sessions) open() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &session{id: rand.Text(), writes: map[uint64]*arrival{}}
	s.place = m.used.PushBack(s)
	m.all[s.id] = s
	m.bound(s)
	return s.id
}

// arrive takes note of a write. It is to be done if it is the first with its number.
func (m *sessions) arrive(w dbclient.Write) (a *arrival, first bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.all[w.Session]
	if s == nil {
		return nil, false, apierror.New(apierror.SessionUnknown, "the session is not known: nothing was done. Open another one, and send the write in it")
	}
	m.used.MoveToBack(s.place)
	m.raise(s, w.Oldest)
	if w.Number >= maxOfSession {
		m.raise(s, w.Number-maxOfSession+1)
	}
	if a := s.writes[w.Number]; a != nil && !failpoint.Off("write-is-done-once") {
		return a, false, nil
	}
	if w.Number < s.floor && !failpoint.Off("late-write-is-refused") {
		return nil, false, apierror.New(apierror.ConnectionLost,
			"write %d arrived when %d was the oldest that its client waits for: it is not done now, and whether it was done before is unknown", w.Number, s.floor)
	}
	a = &arrival{done: make(chan struct{})}
	s.writes[w.Number] = a
	m.remembered++
	m.bound(s)
	return a, true, nil
}

// raise forgets the writes below a number: none of them is done from now on.
func (m *sessions) raise(s *session, floor uint64) {
	if floor <= s.floor {
		return
	}
	if floor-s.floor > uint64(len(s.writes)) { // fewer are remembered than the numbers between
		for n, a := range s.writes {
			if n < floor {
				m.forget(s, n, a)
			}
		}
	} else {
		for n := s.floor; n < floor; n++ {
			if a := s.writes[n]; a != nil {
				m.forget(s, n, a)
			}
		}
	}
	s.floor = floor
}

func (m *sessions) forget(s *session, n uint64, a *arrival) {
	delete(s.writes, n)
	m.remembered--
	m.bytes -= len(a.answer.body)
	a.answer = answer{} // a copy that has just waited for it must not get a part of it
}

// bound closes other sessions than s as long as there is too much to remember.
func (m *sessions) bound(s *session) {
	for len(m.all) > maxSessions || m.remembered > maxRemembered && len(m.all) > 1 {
		oldest := m.used.Front().Value.(*session)
		if oldest == s {
			return
		}
		for n, a := range oldest.writes {
			m.forget(oldest, n, a)
		}
		m.used.Remove(oldest.place)
		delete(m.all, oldest.id)
	}
}

// end says what a write was answered. The answer is kept for copies if it is small.
func (m *sessions) end(w dbclient.Write, a *arrival, got answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer close(a.done)
	s := m.all[w.Session]
	if s == nil || s.writes[w.Number] != a || len(got.body) > maxAnswer || m.bytes+len(got.body) > maxAnswers {
		return // it is forgotten, or only the answer is
	}
	a.answer = got
	m.bytes += len(got.body)
}
