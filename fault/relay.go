package fault

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// relayed is the dialing end of a connection of a real network, a net.Conn. As long as no rule concerns it, it
// reads and writes the real connection directly. The first rule that does engages the relay, for good: from then
// on all bytes go through a pair in memory, which meets every rule, and two goroutines carry them between the
// pair's far end and the real connection.
type relayed struct {
	near, far *conn // the pair: the user's end, and the end at the real connection
	below     net.Conn
	pumps     *sync.WaitGroup

	mu      sync.Mutex // guards the rest; taken under core.mu, never the other way round
	engaged bool
	reads   int // direct ones that are running
	writes  int
	in, out bool // whether the pump of that direction has been started
}

// newRelayed puts a pair around a real connection.
func newRelayed(c *core, there, back *link, below net.Conn, pumps *sync.WaitGroup) *relayed {
	p := c.connect(there, back, addr(below.LocalAddr().String()), addr(below.RemoteAddr().String()))
	r := &relayed{near: p.ends[0], far: p.ends[1], below: below, pumps: pumps}
	p.relay = r
	if !p.plain() {
		r.engage()
	}
	return r
}

// longAgo is a deadline that ends direct reads and writes.
var longAgo = time.Unix(1, 0)

// engage implements relay. Direct reads and writes that are running return at once.
func (r *relayed) engage() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.engaged {
		return
	}
	r.engaged = true
	_ = r.below.SetDeadline(longAgo) // it fails if the connection is closed: then they have ended
	r.start()
}

// start starts the pump of each direction in which no direct call is left. A pump has no deadline: those of the
// user are the near end's.
func (r *relayed) start() {
	if !r.engaged {
		return
	}
	if r.reads == 0 && !r.in {
		r.in = true
		_ = r.below.SetReadDeadline(time.Time{}) // the pump finds out why if it fails
		r.pumps.Go(r.pumpIn)
	}
	if r.writes == 0 && !r.out {
		r.out = true
		_ = r.below.SetWriteDeadline(time.Time{})
		r.pumps.Go(r.pumpOut)
	}
}

// abort implements relay. No pump starts after it.
func (r *relayed) abort(hard bool) {
	r.mu.Lock()
	r.engaged, r.in, r.out = true, true, true
	r.mu.Unlock()
	if c, ok := r.below.(interface{ SetLinger(seconds int) error }); hard && ok {
		_ = c.SetLinger(0) // the peer sees a reset, not an end
	}
	_ = r.below.Close() // it may be closed already
}

// direct begins a direct call that calls counts, if no rule concerns the connection.
func (r *relayed) direct(calls *int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.engaged {
		return false
	}
	*calls++
	return true
}

// done ends a direct call. It returns false if a rule has come meanwhile: then meanwhile has been called before
// the pump can start.
func (r *relayed) done(calls *int, meanwhile func()) bool {
	r.mu.Lock()
	if r.engaged {
		r.mu.Unlock()
		meanwhile()
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	*calls--
	if !r.engaged {
		return true
	}
	r.start()
	return false
}

func (r *relayed) Read(p []byte) (int, error) {
	if !r.direct(&r.reads) {
		return r.near.Read(p)
	}
	n, err := r.below.Read(p)
	if r.done(&r.reads, func() { r.arrive(p[:n], err) }) {
		return n, err
	}
	return r.near.Read(p) // what was read meets the rule first
}

func (r *relayed) Write(p []byte) (int, error) {
	if !r.direct(&r.writes) {
		return r.near.Write(p)
	}
	n, err := r.below.Write(p)
	if r.done(&r.writes, func() {}) || n == len(p) {
		return n, err
	}
	more, err := r.near.Write(p[n:]) // it was interrupted
	return n + more, err
}

func (r *relayed) Close() error {
	r.mu.Lock()
	engaged := r.engaged
	r.mu.Unlock()
	if engaged {
		return r.near.Close() // the pump closes the real connection when this has arrived there
	}
	c := r.near.core
	c.mu.Lock()
	r.near.closed, r.far.closed = true, true
	c.pairs.Remove(r.near.pair.place)
	c.mu.Unlock()
	return r.below.Close()
}

func (r *relayed) LocalAddr() net.Addr  { return r.below.LocalAddr() }
func (r *relayed) RemoteAddr() net.Addr { return r.below.RemoteAddr() }

func (r *relayed) SetDeadline(t time.Time) error {
	return errors.Join(r.SetReadDeadline(t), r.SetWriteDeadline(t))
}

func (r *relayed) SetReadDeadline(t time.Time) error {
	return r.deadline(t, r.near.SetReadDeadline, r.below.SetReadDeadline)
}

func (r *relayed) SetWriteDeadline(t time.Time) error {
	return r.deadline(t, r.near.SetWriteDeadline, r.below.SetWriteDeadline)
}

// deadline is the pair's, and that of the real connection as long as it is used directly.
func (r *relayed) deadline(t time.Time, near, below func(time.Time) error) error {
	if err := near(t); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.engaged {
		return nil
	}
	return below(t)
}

// arrive hands to the far end what was read from the real connection, and its end.
func (r *relayed) arrive(data []byte, err error) {
	c := r.near.core
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(data) > 0 {
		r.far.out.push(segment{data: append([]byte(nil), data...)}, now)
	}
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		r.far.out.push(segment{}, now)
	default:
		r.far.out.push(segment{reset: true}, now)
	}
}

// pumpIn carries what the peer sends to the far end, until the peer or the user has ended.
func (r *relayed) pumpIn() {
	for block := make([]byte, segmentBytes); ; {
		n, err := r.below.Read(block)
		if n > 0 {
			if _, werr := r.far.Write(block[:n]); werr != nil {
				return // the user does not listen any more, or pumpOut is told that the connection is broken
			}
		}
		if err != nil {
			r.arrive(nil, err)
			return
		}
	}
}

// pumpOut carries what has arrived at the far end to the peer, until the user has closed the connection or it was
// broken. Then it ends the real connection in the same way.
func (r *relayed) pumpOut() {
	var gone bool // the peer takes nothing any more
	for block := make([]byte, segmentBytes); ; {
		n, err := r.far.Read(block)
		if n > 0 && !gone {
			if _, werr := r.below.Write(block[:n]); werr != nil {
				gone = true
				r.arrive(nil, werr)
			}
		}
		if err != nil {
			r.abort(errors.Is(err, syscall.ECONNRESET))
			_ = r.far.Close() // it fails if the network is closed
			return
		}
	}
}
