package agency

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"stasis/internal/network"
)

// raftPreamble opens every Raft stream. No HTTP request can start like this, so
// the first bytes of a connection decide where it belongs.
const raftPreamble = "STASIS-RAFT/2\n"

// sniffTime is how long a new connection may stay silent: an HTTP client may
// open one ahead of its first request.
const sniffTime = 2 * time.Minute

// mostStrangers and mostCallers bound how many connections there are that have not said
// who they are, and how many streams of Raft.
const (
	mostStrangers = 512
	mostCallers   = 512
)

// mux splits the connections of one listener between Raft and HTTP. It owns every
// Raft connection, in both directions: Raft's own transport leaves some open when
// it stops, close ends them all.
type mux struct {
	network network.Network
	listen  net.Listener
	http    *lane
	raft    *lane
	wait    sync.WaitGroup // the accept loop and the sniffers
	serving sync.WaitGroup // Raft's streams from others that Raft has not let go

	mu        sync.Mutex
	conns     map[net.Conn]struct{} // being sniffed, or Raft's
	strangers crowd                 // those from others that have not said who they are
	callers   crowd                 // Raft's, from other agents
	closed    bool
}

func newMux(n network.Network, l net.Listener) *mux {
	m := &mux{
		network: n,
		listen:  l,
		http:    newLane(l.Addr()),
		raft:    newLane(l.Addr()),
		conns:   map[net.Conn]struct{}{},
	}
	m.wait.Go(m.accept)
	return m
}

// accept ends when the listener is closed; a failing listener (out of files) is
// tried again.
func (m *mux) accept() {
	for {
		conn, err := m.listen.Accept()
		if errors.Is(err, net.ErrClosed) || m.isClosed() {
			if err == nil {
				_ = conn.Close() // came too late
			}
			return
		}
		if err != nil {
			pause(m.http.done, 50*time.Millisecond)
			continue
		}
		if tracked := m.track(conn); tracked != nil {
			m.move(tracked, &m.strangers, mostStrangers)
			m.wait.Go(func() { m.sort(tracked) })
		}
	}
}

// sort reads as much as tells Raft from HTTP and hands the connection over.
func (m *mux) sort(conn *trackedConn) {
	if err := conn.SetReadDeadline(time.Now().Add(sniffTime)); err != nil {
		_ = conn.Close()
		return
	}
	head := make([]byte, 0, len(raftPreamble))
	for len(head) < len(raftPreamble) && string(head) == raftPreamble[:len(head)] {
		n, err := conn.Read(head[len(head):cap(head)])
		if len(head) == 0 && err == nil { // who has begun to speak goes on
			err = conn.SetReadDeadline(time.Now().Add(helloTime))
		}
		head = head[:len(head)+n]
		if err != nil {
			_ = conn.Close()
			return
		}
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		_ = conn.Close()
		return
	}
	if string(head) == raftPreamble {
		m.serving.Add(1)
		conn.served = sync.OnceFunc(m.serving.Done)
		m.raft.give(conn)
		return
	}
	m.forget(conn) // the HTTP server closes its own connections
	m.http.give(&headConn{Conn: conn.Conn, head: head})
}

// close stops accepting and ends every Raft connection.
func (m *mux) close() error {
	m.mu.Lock()
	m.closed = true
	conns := m.conns
	m.conns = map[net.Conn]struct{}{}
	m.mu.Unlock()
	err := m.listen.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	for c := range conns {
		_ = c.Close() // a connection that is given up
	}
	_, _ = m.http.Close(), m.raft.Close() // lanes cannot fail
	m.wait.Wait()
	return err
}

func (m *mux) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// track remembers a connection until it is closed; nil if it came too late.
func (m *mux) track(c net.Conn) *trackedConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		_ = c.Close() // nobody will use it
		return nil
	}
	m.conns[c] = struct{}{}
	return &trackedConn{Conn: c, mux: m}
}

func (m *mux) forget(t *trackedConn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.conns, t.Conn)
	m.strangers.remove(t)
	m.callers.remove(t)
}

// welcomed moves a stream of Raft to those whose caller is known.
func (m *mux) welcomed(conn net.Conn) {
	if t, ok := conn.(*trackedConn); ok {
		m.move(t, &m.callers, mostCallers)
	}
}

// move puts a connection into a crowd. If there is no room the one that has been there
// longest is ended: who belongs here says so at once, and calls again.
func (m *mux) move(t *trackedConn, to *crowd, most int) {
	m.mu.Lock()
	m.strangers.remove(t)
	m.callers.remove(t)
	var longest *trackedConn
	if _, open := m.conns[t.Conn]; open { // else it has been closed meanwhile
		longest = to.add(t, most)
	}
	m.mu.Unlock()
	if longest != nil {
		_ = longest.Conn.Close() // who reads from it closes it in the books
	}
}

// dialRaft opens a Raft stream to another agent.
func (m *mux) dialRaft(address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	raw, err := m.network.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to agent: %w", err)
	}
	conn := m.track(raw)
	if conn == nil {
		return nil, net.ErrClosed
	}
	err = conn.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil {
		_, err = io.WriteString(conn, raftPreamble)
	}
	if err == nil {
		err = conn.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open Raft stream to %s: %w", address, err), conn.Close())
	}
	return conn, nil
}

// letGo waits, after close, until nothing serves a Raft stream any more. Raft does not
// wait for that itself: a heartbeat on its way is processed, and its term written,
// when Raft has long said that it has stopped.
func (m *mux) letGo() { m.serving.Wait() }

// trackedConn leaves the mux's books when it is closed.
type trackedConn struct {
	net.Conn
	mux    *mux
	served func() // Raft's, from another agent: whoever serves it closes it at the end
}

func (c *trackedConn) Close() error {
	c.mux.forget(c)
	if c.served != nil {
		defer c.served()
	}
	return c.Conn.Close()
}

// headConn gives back the bytes that were read to sort it.
type headConn struct {
	net.Conn
	head []byte // only touched by Read, which has one caller at a time
}

func (c *headConn) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	c.head = c.head[n:]
	return n, nil
}

// lane is one of the two listeners behind the mux.
type lane struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newLane(addr net.Addr) *lane {
	return &lane{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *lane) give(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Close() // nobody accepts any more
	}
}

func (l *lane) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *lane) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *lane) Addr() net.Addr { return l.addr }

// namedAddr is an address that need not be resolvable here.
type namedAddr string

func (namedAddr) Network() string  { return "tcp" }
func (a namedAddr) String() string { return string(a) }

// pause waits for d, or less if done is closed.
func pause(done <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
