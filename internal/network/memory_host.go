package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	firstChosenPort = 49152
	lastPort        = 65535
	backlog         = 4096 // connections waiting to be accepted; more are refused
)

// memHost is Memory as one host sees it.
type memHost struct {
	m    *Memory
	host *host
}

// resolve gives a host's name, "" standing for this host itself.
func (h *memHost) resolve(address string) (name string, port int, err error) {
	name, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > lastPort {
		return "", 0, &net.AddrError{Err: "invalid port", Addr: address}
	}
	if name == "" || name == "localhost" || name == "127.0.0.1" {
		name = h.host.name
	}
	return name, port, nil
}

// choosePort gives ports in turn, leaving out those listened on.
func (h *memHost) choosePort() int {
	for {
		h.host.port++
		if h.host.port < firstChosenPort || h.host.port > lastPort {
			h.host.port = firstChosenPort
		}
		if h.m.listeners[string(h.host.addr(h.host.port))] == nil {
			return h.host.port
		}
	}
}

func (h *memHost) Listen(address string) (net.Listener, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	name, port, err := h.resolve(address)
	switch {
	case err != nil:
	case h.m.closed:
		err = net.ErrClosed
	case name != h.host.name:
		err = os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	if err == nil && port == 0 {
		port = h.choosePort()
	}
	addr := h.host.addr(port)
	if err == nil && h.m.listeners[string(addr)] != nil {
		err = os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	l := &memListener{m: h.m, host: h.host, addr: addr}
	h.m.listeners[string(addr)] = l
	return l, nil
}

// DialContext takes one round trip, as TCP's handshake does.
func (h *memHost) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	c, err := h.dial(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: memAddr(address), Err: err}
	}
	return c, nil
}

func (h *memHost) dial(ctx context.Context, network, address string) (*memConn, error) {
	if network != "tcp" {
		return nil, net.UnknownNetworkError(network)
	}
	name, port, err := h.resolve(address)
	if err != nil {
		return nil, err
	}
	if !h.m.host(name).exists {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	there, back := h.m.link(h.host.name, name), h.m.link(name, h.host.name)
	if err := h.m.travel(ctx, there, h.host); err != nil {
		return nil, err
	}
	l := h.m.listeners[string(there.to.addr(port))]
	refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	if l == nil || len(l.queue) >= backlog {
		if err := h.m.travel(ctx, back, h.host); err != nil {
			return nil, err
		}
		return nil, refused
	}
	p := h.m.connect(there, back, h.host.addr(h.choosePort()), l.addr)
	l.queue = append(l.queue, p[1])
	l.changed.wake()
	err = h.m.travel(ctx, back, h.host)
	if err == nil && p[0].out.broken != nil {
		err = refused // the listener was closed before it accepted
	}
	if err != nil {
		h.m.reset(p)
		return nil, err
	}
	return p[0], nil
}

// travel waits while one packet takes its way, and is sent again after losses;
// it does not end while host, which waits for it, is frozen.
func (m *Memory) travel(ctx context.Context, l *link, host *host) error {
	var arrives time.Time // zero while the packet cannot be on its way
	for {
		now := time.Now()
		switch {
		case m.closed:
			return net.ErrClosed
		case ctx.Err() != nil:
			return ctx.Err()
		case !l.up():
			arrives = time.Time{}
		case arrives.IsZero():
			arrives = now.Add(l.delay)
		}
		until := arrives
		if !host.frozen && !arrives.IsZero() && !now.Before(arrives) {
			return nil
		}
		if host.frozen {
			until = time.Time{}
		}
		m.block(m.changed.wait(), until, ctx.Done())
	}
}

// memListener accepts connections in the order of their arrival.
type memListener struct {
	m       *Memory
	host    *host
	addr    memAddr
	closed  bool
	queue   []*memConn
	changed signal
}

func (l *memListener) Addr() net.Addr { return l.addr }

func (l *memListener) Accept() (net.Conn, error) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	for {
		switch {
		case l.closed || l.m.closed:
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
		case len(l.queue) > 0 && !l.host.frozen:
			c := l.queue[0]
			l.queue = l.queue[1:]
			return c, nil
		}
		l.m.block(l.changed.wait(), time.Time{}, nil)
	}
}

// Close stops listening and resets what nobody has accepted.
func (l *memListener) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.closed || l.m.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	l.closed = true
	delete(l.m.listeners, string(l.addr))
	for _, c := range l.queue {
		l.m.reset(c.pair)
	}
	l.queue = nil
	l.changed.wake()
	return nil
}
