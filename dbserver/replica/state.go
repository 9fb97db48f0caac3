package replica

import (
	"maps"
	"math"
	"slices"
	"time"

	"stasis/agency/keys"
	"stasis/internal/disklock"
)

// phase is how far a tenure has come.
type phase int

const (
	recovering phase = iota
	joining
	serving
	resigning
	resigned
	over // replaced, or the disk has failed
)

// state is what the goroutines of a Leader share: the phase, what Plan and Current have, and
// how far each replica has come. It does no I/O, so that mu is never held for a network or
// for an agency. (The replica's own locks may be taken under mu, never the other way round. They
// may be held while a commit waits for the disk, so mu is a lock of the same kind.)
type state struct {
	changed chan struct{} // holds a token when the leader's goroutine has something to look at
	unlead  func()        // ends the leadership in the replica; called once, with mu held

	mu         disklock.Mutex
	place      Place
	phase      phase
	since      time.Time               // when the phase began
	why        error                   // over: the reason
	report     keys.CurrentShardReport // that Current has, as far as is known
	committed  uint64
	committing uint64 // decided to be committed, not less than committed
	followers  map[string]*progress
	waiting    []*waiter
}

// waiter is a writer that waits until its record is committed.
type waiter struct {
	seq  uint64
	sync bool // and until it is on the disks of all in-sync replicas
	done chan error
}

func newState(place Place, unlead func()) *state {
	return &state{changed: make(chan struct{}, 1), unlead: unlead, place: place, since: time.Now(), followers: map[string]*progress{}}
}

// wake has the leader's goroutine look at everything again.
func (s *state) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// end ends the tenure for good: writers that wait get why. The first reason counts.
//
// The replica stops leading before another goroutine can see that the tenure is over. A new
// Leader of the same tenure may begin as soon as it is seen, and a late unlead would end
// that one's leadership.
func (s *state) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == over {
		return
	}
	s.phase, s.why = over, why
	for _, w := range s.waiting {
		w.done <- why
	}
	s.waiting = nil
	s.unlead()
}

// reason is why the tenure is over, for people.
func (s *state) reason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		return ""
	}
	return s.why.Error()
}

// become changes the phase, unless the tenure is over.
func (s *state) become(p phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != over && s.phase != p {
		s.phase, s.since = p, time.Now()
	}
}

func (s *state) current() phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase
}

// plan notes what Plan says of the shard now.
func (s *state) plan(place Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.place.same(place) {
		s.place = place
		s.wake()
	}
}

// planned is what Plan says of the shard, as far as is known.
func (s *state) planned() Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.place
}

// pokeAll has all feeds look at the log, in an order, so that runs can be repeated. mu is held.
func (s *state) pokeAll() {
	if len(s.followers) == 1 {
		for _, p := range s.followers {
			p.poke()
		}
		return
	}
	for _, id := range slices.Sorted(maps.Keys(s.followers)) {
		s.followers[id].poke()
	}
}

// inSync counts the followers that Current has as in sync. mu is held.
func (s *state) inSync() int {
	n := 0
	for _, p := range s.followers {
		if p.reported != 0 {
			n++
		}
	}
	return n
}

// reached is how far all required replicas have come, in their logs and on the followers'
// disks; logged is where the leader's own log ends. mu is held.
func (s *state) reached(end uint64) (logged, synced uint64) {
	logged, synced = end, math.MaxUint64
	for _, p := range s.followers {
		if p.required {
			logged, synced = min(logged, p.acked), min(synced, p.synced)
		}
	}
	return logged, synced
}

// wantsSync is the last record that a writer wants on all disks. mu is held.
func (s *state) wantsSync() (seq uint64) {
	for _, w := range s.waiting {
		if w.sync {
			seq = max(seq, w.seq)
		}
	}
	return seq
}
