// Package port is the one TCP port of an agent, which HTTP and Raft share.
//
// A stream of Raft begins with a preamble that no HTTP request can begin with, so the first bytes
// of a connection decide where it belongs. Behind the preamble caller and callee introduce
// themselves (see handshake.go), so that neither takes anything from an agent of another agency.
//
// The package owns every Raft connection, in both directions, until it is closed: Raft's own
// transport leaves some open when it stops. HTTP's connections belong to the HTTP server. What
// strangers can open is bounded. The package knows nothing of what the streams carry.
package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"stasis/internal/network"
	"stasis/internal/wait"
)

// preamble opens every stream of Raft.
const preamble = "STASIS-RAFT/2\n"

// firstByteTime is how long a new connection may stay silent: an HTTP client may open one ahead of
// its first request.
const firstByteTime = 2 * time.Minute

// Port shares one listener between Raft and HTTP. Its methods may be called from any goroutine.
type Port struct {
	network  network.Network
	listener net.Listener
	running  context.Context // ends when Close begins
	stop     context.CancelFunc
	http     *lane
	raft     *lane

	accepting sync.WaitGroup // the accept loop, and the sorting of new connections
	serving   sync.WaitGroup // streams from other agents that Raft has not closed
	open      connections
}

// New shares a listener. Close ends it.
func New(n network.Network, l net.Listener) *Port {
	p := &Port{network: n, listener: l, http: newLane(l.Addr()), raft: newLane(l.Addr())}
	p.running, p.stop = context.WithCancel(context.Background())
	p.accepting.Go(p.accept)
	return p
}

// Network is what connections to other agents are made with.
func (p *Port) Network() network.Network { return p.network }

// HTTP is the listener of the HTTP server.
func (p *Port) HTTP() net.Listener { return p.http }

// accept ends when the listener is closed. A listener that fails otherwise, for example because
// there are too many open files, is tried again.
func (p *Port) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) || p.running.Err() != nil {
			if err == nil {
				_ = conn.Close() // it came too late
			}
			return
		}
		if err != nil {
			_ = wait.For(p.running, 50*time.Millisecond) // its end is seen above
			continue
		}
		if c := p.open.add(conn); c != nil {
			p.open.unknown(c)
			p.accepting.Go(func() { p.sort(c) })
		}
	}
}

// sort reads as many bytes as tell Raft from HTTP, and hands the connection over.
func (p *Port) sort(conn *connection) {
	head, err := readHead(conn)
	if err != nil {
		_ = conn.Close() // it is given up
		return
	}
	if string(head) == preamble {
		p.serving.Add(1)
		conn.served = sync.OnceFunc(p.serving.Done)
		p.raft.give(conn)
		return
	}
	p.open.remove(conn) // the HTTP server closes its own connections
	p.http.give(&headConn{Conn: conn.Conn, head: head})
}

// readHead reads up to the end of the preamble, or to the first byte that differs from it.
func readHead(conn net.Conn) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(firstByteTime)); err != nil {
		return nil, err
	}
	head := make([]byte, 0, len(preamble))
	for len(head) < len(preamble) && string(head) == preamble[:len(head)] {
		n, err := conn.Read(head[len(head):cap(head)])
		if len(head) == 0 && err == nil { // a caller that has begun to speak must go on
			err = conn.SetReadDeadline(time.Now().Add(helloTime))
		}
		head = head[:len(head)+n]
		if err != nil {
			return nil, err
		}
	}
	return head, conn.SetReadDeadline(time.Time{})
}

// Close stops accepting and ends every Raft connection. It may be called twice.
func (p *Port) Close() error {
	p.stop()
	conns := p.open.close()
	err := p.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	for _, c := range conns {
		_ = c.Conn.Close() // it is given up
	}
	_, _ = p.http.Close(), p.raft.Close() // they cannot fail
	p.accepting.Wait()
	return err
}

// Wait waits, after Close, until nothing serves a Raft stream any more. Raft does not wait for that
// itself: it may still process a heartbeat and write its term when it has reported that it has
// stopped.
func (p *Port) Wait() { p.serving.Wait() }

// dial opens a Raft stream to another agent.
func (p *Port) dial(address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	raw, err := p.network.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to agent: %w", err)
	}
	conn := p.open.add(raw)
	if conn == nil {
		return nil, net.ErrClosed
	}
	err = conn.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil {
		_, err = io.WriteString(conn, preamble)
	}
	if err == nil {
		err = conn.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open Raft stream to %s: %w", address, err), conn.Close())
	}
	return conn, nil
}

// headConn returns the bytes that were read to sort the connection before those that follow.
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

// lane is one of the two listeners behind the port.
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
		_ = c.Close() // nothing accepts any more
	}
}

// Accept waits for a connection. It returns net.ErrClosed after Close.
func (l *lane) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. It never fails.
func (l *lane) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is the address of the port.
func (l *lane) Addr() net.Addr { return l.addr }
