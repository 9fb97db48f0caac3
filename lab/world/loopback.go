package world

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"

	"stasis/internal/network"
)

// loopback is TCP on this machine with the names of hosts: each address of a name gets a free port of the system when it is
// listened on. So clusters beside each other do not meet.
type loopback struct {
	mu    sync.Mutex
	ports map[string]string // by "dbserver-2:10101": where it is
}

// nameOf is the host of an address.
func nameOf(address string) string {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return "" // dialing it says what is wrong
	}
	return name
}

// Listen implements [fault.Host].
func (l *loopback) Listen(address string) (net.Listener, error) {
	if _, taken := l.at(address); taken {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	below, err := network.TCP().Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ports == nil {
		l.ports = map[string]string{}
	}
	l.ports[address] = below.Addr().String()
	return &loopbackListener{Listener: below, of: l, address: address}, nil
}

// DialContext implements [fault.Host].
func (l *loopback) DialContext(ctx context.Context, protocol, address string) (net.Conn, error) {
	at, listens := l.at(address)
	if !listens {
		return nil, &net.OpError{Op: "dial", Net: protocol, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return network.TCP().DialContext(ctx, protocol, at)
}

func (l *loopback) at(address string) (at string, listens bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, listens = l.ports[address]
	return at, listens
}

type loopbackListener struct {
	net.Listener
	of      *loopback
	address string
}

// Close implements net.Listener.
func (l *loopbackListener) Close() error {
	l.of.mu.Lock()
	if l.of.ports[l.address] == l.Addr().String() {
		delete(l.of.ports, l.address)
	}
	l.of.mu.Unlock()
	return l.Listener.Close()
}
