package fault

import (
	"container/list"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	bufferBytes  = 256 << 10 // of one direction: sent, and not yet read
	segmentBytes = 16 << 10  // bytes travel in pieces of at most this size
)

// pair is a connection: its two ends, the dialing one first, and its place in the network's list.
type pair struct {
	ends  [2]*conn
	place *list.Element
}

// stream is one direction of a connection. No goroutine moves bytes along: readers
// and writers look at the clock and at the link.
type stream struct {
	link     *link
	queue    []segment // in order; the last may be the end mark
	buffered int       // bytes in queue
	lost     bool      // what has not arrived never will
	broken   error     // the connection was reset
	changed  signal
}

// segment is a piece of a stream; without data it is the end mark.
type segment struct {
	data    []byte
	ready   time.Time // when it arrives if the link is up then
	arrived bool      // it had arrived before the last change of rules
}

func (s *stream) there(g segment, now time.Time) bool {
	return g.arrived || !s.lost && s.link.up() && !now.Before(g.ready)
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

// resend sends again what a cut held back.
func (s *stream) resend(now time.Time) {
	for i := range s.queue {
		if g := &s.queue[i]; !g.arrived && g.ready.Before(now.Add(s.link.delay)) {
			g.ready = now.Add(s.link.delay)
		}
	}
}

// underway counts the pieces that were sent and have not arrived.
func (s *stream) underway() (n int) {
	for _, g := range s.queue {
		if !g.arrived {
			n++
		}
	}
	return n
}

func (s *stream) push(data []byte, now time.Time) {
	if s.lost || !s.link.up() {
		s.link.met++
	}
	ready := s.link.arrival(now, len(data))
	if n := len(s.queue); n > 0 && ready.Before(s.queue[n-1].ready) {
		ready = s.queue[n-1].ready // never overtake
	}
	s.queue = append(s.queue, segment{data: data, ready: ready})
	s.buffered += len(data)
	s.changed.wake()
}

// take moves what has arrived into p. ended is true when the end mark has been reached.
func (s *stream) take(p []byte, now time.Time) (n int, ended bool) {
	for n < len(p) && len(s.queue) > 0 && s.there(s.queue[0], now) {
		g := &s.queue[0]
		if g.data == nil {
			return n, true
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
	return n, false
}

// next is when the i-th segment will arrive as things are; zero: not foreseeable.
func (s *stream) next(i int) time.Time {
	if i < 0 || i >= len(s.queue) || s.lost || !s.link.up() {
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

// conn is one end of a connection, a net.Conn.
type conn struct {
	core          *core
	pair          *pair
	local, remote addr
	in, out       *stream
	closed        bool
	readDeadline  time.Time
	writeDeadline time.Time
}

// connect makes a connection.
func (c *core) connect(there, back *link, from, to addr) *pair {
	out, in := &stream{link: there}, &stream{link: back}
	p := &pair{}
	p.ends[0] = &conn{core: c, pair: p, local: from, remote: to, in: in, out: out}
	p.ends[1] = &conn{core: c, pair: p, local: to, remote: from, in: out, out: in}
	p.place = c.pairs.PushBack(p)
	return p
}

// reset breaks one connection.
func (c *core) reset(p *pair) {
	for _, end := range p.ends {
		end.out.broken = syscall.ECONNRESET
		end.out.changed.wake()
	}
	c.pairs.Remove(p.place)
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) opError(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// usable gives the reason why nothing can be read or written now.
func (c *conn) usable(op string, deadline, now time.Time) error {
	switch {
	case c.closed || c.core.closed:
		return net.ErrClosed
	case c.out.broken != nil:
		return os.NewSyscallError(op, c.out.broken)
	case !deadline.IsZero() && !now.Before(deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *conn) Read(p []byte) (int, error) {
	c.core.mu.Lock()
	defer c.core.mu.Unlock()
	for {
		now := time.Now()
		if err := c.usable("read", c.readDeadline, now); err != nil {
			return 0, c.opError("read", err)
		}
		if len(p) == 0 {
			return 0, nil
		}
		until := c.readDeadline
		if !c.in.link.to.frozen {
			n, ended := c.in.take(p, now)
			if n > 0 {
				c.in.changed.wake() // there is room for writers
				return n, nil
			}
			if ended {
				return 0, io.EOF
			}
			until = earlier(until, c.in.next(0))
		}
		c.core.block(c.in.changed.wait(), until, nil)
	}
}

func (c *conn) Write(p []byte) (int, error) {
	c.core.mu.Lock()
	defer c.core.mu.Unlock()
	written := 0
	for {
		now := time.Now()
		err := c.usable("write", c.writeDeadline, now)
		end := c.in.end()
		if err == nil && end >= 0 && c.in.there(c.in.queue[end], now) {
			err = os.NewSyscallError("write", syscall.EPIPE) // the peer has closed, and it is known here
		}
		if err != nil {
			return written, c.opError("write", err)
		}
		if written == len(p) {
			return written, nil
		}
		if room := bufferBytes - c.out.buffered; room > 0 && !c.out.link.from.frozen {
			n := min(room, segmentBytes, len(p)-written)
			c.out.push(append(make([]byte, 0, n), p[written:written+n]...), now)
			written += n
			continue
		}
		c.core.block(c.out.changed.wait(), earlier(c.writeDeadline, c.in.next(end)), nil)
	}
}

// Close ends both directions. What was written is still delivered.
func (c *conn) Close() error {
	c.core.mu.Lock()
	defer c.core.mu.Unlock()
	if c.closed || c.core.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	c.out.push(nil, time.Now())
	c.in.changed.wake() // our reader, and the peer's writers
	if c.pair.ends[0].closed && c.pair.ends[1].closed {
		c.core.pairs.Remove(c.pair.place)
	}
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(&c.readDeadline, t, c.in)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.writeDeadline, t, c.out)
}

// setDeadline also applies to reads and writes that wait. They need no wake for a later
// deadline: they look again when the earlier one has passed.
func (c *conn) setDeadline(deadline *time.Time, t time.Time, s *stream) error {
	c.core.mu.Lock()
	defer c.core.mu.Unlock()
	if c.closed || c.core.closed {
		return c.opError("set deadline", net.ErrClosed)
	}
	if *deadline = t; !t.IsZero() {
		s.changed.wake()
	}
	return nil
}

// earlier of two times, zero meaning never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
