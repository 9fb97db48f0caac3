package fault

import (
	"net"
	"time"
)

// listener accepts connections in the order of their arrival.
type listener struct {
	core    *core
	host    *host
	addr    addr
	forget  func() // takes it out of the network's list
	closed  bool
	queue   []*conn
	changed signal
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) Accept() (net.Conn, error) {
	l.core.mu.Lock()
	defer l.core.mu.Unlock()
	for {
		switch {
		case l.closed || l.core.closed:
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
		case len(l.queue) > 0 && !l.host.frozen:
			c := l.queue[0]
			l.queue = l.queue[1:]
			return c, nil
		}
		l.core.block(l.changed.wait(), time.Time{}, nil)
	}
}

// Close stops listening and resets the connections that were not accepted.
func (l *listener) Close() error {
	l.core.mu.Lock()
	defer l.core.mu.Unlock()
	if l.closed || l.core.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	l.closed = true
	l.forget()
	for _, c := range l.queue {
		l.core.reset(c.pair)
	}
	l.queue = nil
	l.changed.wake()
	return nil
}
