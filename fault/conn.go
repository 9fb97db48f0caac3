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

// pair is a connection: its two ends, the dialing one first, and its place in the network's list.
type pair struct {
	ends  [2]*conn
	place *list.Element
	relay relay // what carries its bytes over a real network; nil in memory
}

// relay is a connection of a real network below a pair. Its methods are called with the lock of the core.
type relay interface {
	engage()         // from now on every byte goes through the pair
	abort(hard bool) // the real connection is closed at once, or with hard broken
}

// plain tells whether no rule concerns the connection.
func (p *pair) plain() bool { return p.ends[0].out.plain() && p.ends[1].out.plain() }

// all iterates over the connections in the order in which they were made. The body may
// end the one it has.
func (c *core) all(yield func(*pair) bool) {
	for at := c.pairs.Front(); at != nil; {
		next := at.Next()
		if !yield(at.Value.(*pair)) {
			return
		}
		at = next
	}
}

// streams iterates over every direction of every connection.
func (c *core) streams(yield func(*stream) bool) {
	for p := range c.all {
		if !yield(p.ends[0].out) || !yield(p.ends[1].out) {
			return
		}
	}
}

// conn is one end of a connection, a net.Conn.
type conn struct {
	core          *core
	pair          *pair
	local, remote addr
	in, out       *stream
	closed        bool
	broken        error // this end has seen that the connection was reset
	readDeadline  time.Time
	writeDeadline time.Time
}

// connect makes a connection.
func (c *core) connect(there, back *link, from, to addr) *pair {
	out, in := &stream{link: there, back: back}, &stream{link: back, back: there}
	p := &pair{}
	p.ends[0] = &conn{core: c, pair: p, local: from, remote: to, in: in, out: out}
	p.ends[1] = &conn{core: c, pair: p, local: to, remote: from, in: out, out: in}
	p.place = c.pairs.PushBack(p)
	return p
}

// reset breaks one connection.
func (c *core) reset(p *pair) {
	for _, end := range p.ends {
		end.broken = syscall.ECONNRESET
		end.out.changed.wake()
	}
	c.pairs.Remove(p.place)
	if p.relay != nil {
		p.relay.abort(true)
	}
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
	if at := c.out.refusedAt(); c.broken == nil && !at.IsZero() && !now.Before(at) {
		c.out.link.tally.Reset++
		c.breaks(now)
	}
	switch {
	case c.closed || c.core.closed:
		return net.ErrClosed
	case c.broken != nil:
		return os.NewSyscallError(op, c.broken)
	case !deadline.IsZero() && !now.Before(deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// breaks ends the connection for this end alone. What the other end sends from now on is for a connection that is
// not known here.
func (c *conn) breaks(now time.Time) {
	c.broken = syscall.ECONNRESET
	c.in.forget(now)
	c.in.changed.wake()
	c.out.changed.wake()
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
		until := earlier(c.readDeadline, c.out.refusedAt())
		if !c.in.link.to.frozen {
			n, ended, broken := c.in.take(p, now)
			switch {
			case n > 0:
				c.in.changed.wake() // there is room for writers
				return n, nil
			case broken != nil:
				c.breaks(now)
				continue
			case ended:
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
		if written > 0 && written == len(p) {
			return written, nil // it is sent, whatever becomes of it
		}
		now := time.Now()
		err := c.usable("write", c.writeDeadline, now)
		end := c.in.end()
		if err == nil && end >= 0 && c.in.there(c.in.queue[end], now) {
			err = os.NewSyscallError("write", syscall.EPIPE) // the peer has closed, and it is known here
		}
		if err != nil {
			return written, c.opError("write", err)
		}
		if len(p) == 0 {
			return 0, nil
		}
		if room := bufferBytes - c.out.buffered; room > 0 && !c.out.link.from.frozen {
			n := min(room, segmentBytes, len(p)-written)
			c.out.push(segment{data: append(make([]byte, 0, n), p[written:written+n]...)}, now)
			written += n
			if c.out.forgotten {
				c.in.changed.wake() // readers of this end wait for the reset now
			}
			continue
		}
		until := earlier(c.writeDeadline, c.out.refusedAt())
		c.core.block(c.out.changed.wait(), earlier(until, c.in.next(end)), nil)
	}
}

// Close ends both directions. What was written is still delivered.
func (c *conn) Close() error {
	c.core.mu.Lock()
	defer c.core.mu.Unlock()
	if c.closed || c.core.closed {
		return c.opError("close", net.ErrClosed)
	}
	now := time.Now()
	c.closed = true
	if c.out.forgotten {
		c.in.forget(now) // the peer does not learn of the end, and finds it when it sends
	}
	c.out.push(segment{}, now)
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
