package fault

import (
	"syscall"
	"time"
)

const (
	bufferBytes  = 256 << 10 // of one direction: sent, and not yet read
	segmentBytes = 16 << 10  // bytes travel in pieces of at most this size
)

// stream is one direction of a connection. No goroutine moves bytes along: readers
// and writers look at the clock and at the link.
type stream struct {
	link     *link
	back     *link     // the way of an answer
	queue    []segment // in order; the last may be the end mark
	buffered int       // bytes in queue
	lost     bool      // what has not arrived never will
	changed  signal

	// forgotten: the receiving side does not know the connection any more. What has not arrived never will, and
	// is answered by a reset, which takes refusal to come back.
	forgotten bool
	refusal   time.Duration
}

// segment is a piece of a stream; without data it is the end mark.
type segment struct {
	data    []byte
	reset   bool      // the end mark says that the connection is broken
	ready   time.Time // when it arrives if the link is up then
	arrived bool      // it had arrived before the last change of rules
}

func (s *stream) gone() bool { return s.lost || s.forgotten }

// plain tells whether what is sent is there at once.
func (s *stream) plain() bool { return !s.gone() && s.link.plain() && len(s.queue) == 0 }

func (s *stream) there(g segment, now time.Time) bool {
	return g.arrived || !s.gone() && s.link.up() && !now.Before(g.ready)
}

// keepArrived marks what has arrived until now, so that no later rule takes it back.
func (s *stream) keepArrived(now time.Time) {
	for i, g := range s.queue {
		if !s.there(g, now) {
			return
		}
		s.queue[i].arrived = true
	}
}

// resend sends again what a rule held back.
func (s *stream) resend(now time.Time) {
	last := now
	for i := range s.queue {
		g := &s.queue[i]
		if g.arrived {
			continue
		}
		if again := now.Add(s.link.lag()); g.ready.Before(again) {
			g.ready = again
		}
		if g.ready.Before(last) {
			g.ready = last // never overtake
		}
		last = g.ready
	}
}

// underway calls f with the bytes of each piece that was sent and has not arrived.
func (s *stream) underway(f func(bytes int)) {
	for _, g := range s.queue {
		if !g.arrived {
			f(len(g.data))
		}
	}
}

// lose counts what a rule loses for good now. What a link that is down holds back is counted already.
func (s *stream) lose() {
	if s.link.up() {
		s.underway(s.link.tally.Lost.add)
	}
}

// forget makes the receiving side know nothing of the connection.
func (s *stream) forget(now time.Time) {
	if s.gone() {
		return
	}
	s.keepArrived(now)
	s.lose()
	s.forgotten, s.refusal = true, s.back.lag()
	s.changed.wake()
}

// refusedAt is when the reset comes back that answers what was sent over a connection that the other side has
// forgotten; zero: not foreseeable.
func (s *stream) refusedAt() time.Time {
	if !s.forgotten || !s.link.up() || !s.back.open() {
		return time.Time{}
	}
	for _, g := range s.queue {
		if !g.arrived {
			return g.ready.Add(s.refusal)
		}
	}
	return time.Time{}
}

func (s *stream) push(g segment, now time.Time) {
	if s.gone() {
		s.link.tally.Lost.add(len(g.data))
	} else {
		s.link.keep(len(g.data))
	}
	g.ready = s.link.arrival(now, len(g.data))
	if n := len(s.queue); n > 0 && g.ready.Before(s.queue[n-1].ready) {
		g.ready = s.queue[n-1].ready // never overtake
	}
	s.queue = append(s.queue, g)
	s.buffered += len(g.data)
	s.changed.wake()
}

// take moves what has arrived into p. ended is true when the end mark has been reached, and
// broken says that it is a reset.
func (s *stream) take(p []byte, now time.Time) (n int, ended bool, broken error) {
	for n < len(p) && len(s.queue) > 0 && s.there(s.queue[0], now) {
		g := &s.queue[0]
		if g.data == nil {
			if g.reset {
				broken = syscall.ECONNRESET
			}
			return n, true, broken
		}
		k := copy(p[n:], g.data)
		n += k
		s.buffered -= k
		if g.data = g.data[k:]; len(g.data) == 0 {
			s.queue[0] = segment{}
			s.queue = s.queue[1:]
		}
	}
	if len(s.queue) == 0 {
		s.queue = nil
	}
	return n, false, nil
}

// next is when the i-th segment will arrive as things are; zero: not foreseeable.
func (s *stream) next(i int) time.Time {
	if i < 0 || i >= len(s.queue) || s.gone() || !s.link.up() {
		return time.Time{}
	}
	return s.queue[i].ready
}

// end is the index of the end mark, -1 if there is none.
func (s *stream) end() int {
	if n := len(s.queue); n > 0 && s.queue[n-1].data == nil {
		return n - 1
	}
	return -1
}
