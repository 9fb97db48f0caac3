package fault

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

const (
	firstChosenPort = 49152
	lastPort        = 65535
	backlog         = 4096 // connections waiting to be accepted; more are refused
)

// Host makes the host of that name, if there is none, and gives its use of the network. It listens on
// "name:port" only; an empty host, "localhost" and "127.0.0.1" mean the host itself.
func (n *Network) Host(name string) Host {
	n.core.mu.Lock()
	defer n.core.mu.Unlock()
	h := n.host(name)
	h.exists = true
	return &endpoint{n: n, host: h}
}

// endpoint is the Network as one host uses it.
type endpoint struct {
	n    *Network
	host *host
}

// resolve splits an address. An empty host stands for this host itself.
func (h *endpoint) resolve(address string) (name string, port int, err error) {
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
func (h *endpoint) choosePort() int {
	for {
		h.host.port++
		if h.host.port < firstChosenPort || h.host.port > lastPort {
			h.host.port = firstChosenPort
		}
		if h.n.listeners[string(h.host.addr(h.host.port))] == nil {
			return h.host.port
		}
	}
}

func (h *endpoint) Listen(address string) (net.Listener, error) {
	if h.n.over != nil {
		return h.n.over.listen(h.host.name, address)
	}
	h.n.core.mu.Lock()
	defer h.n.core.mu.Unlock()
	name, port, err := h.resolve(address)
	switch {
	case err != nil:
	case h.n.core.closed:
		err = net.ErrClosed
	case name != h.host.name:
		err = os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	if err == nil && port == 0 {
		port = h.choosePort()
	}
	at := h.host.addr(port)
	if err == nil && h.n.listeners[string(at)] != nil {
		err = os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	l := &listener{core: &h.n.core, host: h.host, addr: at, forget: func() { delete(h.n.listeners, string(at)) }}
	h.n.listeners[string(at)] = l
	return l, nil
}

// DialContext takes one round trip, as TCP's handshake does.
func (h *endpoint) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if h.n.over != nil {
		return h.n.dialOver(ctx, h.host, network, address)
	}
	h.n.core.mu.Lock()
	defer h.n.core.mu.Unlock()
	c, err := h.dial(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr(address), Err: err}
	}
	return c, nil
}

func (h *endpoint) dial(ctx context.Context, network, address string) (*conn, error) {
	if network != "tcp" {
		return nil, net.UnknownNetworkError(network)
	}
	name, port, err := h.resolve(address)
	if err != nil {
		return nil, err
	}
	if !h.n.host(name).exists {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	there, back := h.n.link(h.host.name, name), h.n.link(name, h.host.name)
	if err := h.n.core.travel(ctx, there, h.host); err != nil {
		return nil, err
	}
	l := h.n.listeners[string(there.to.addr(port))]
	refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	if l == nil || len(l.queue) >= backlog {
		if err := h.n.core.travel(ctx, back, h.host); err != nil {
			return nil, err
		}
		return nil, refused
	}
	p := h.n.core.connect(there, back, h.host.addr(h.choosePort()), l.addr)
	l.queue = append(l.queue, p.ends[1])
	l.changed.wake()
	err = h.n.core.travel(ctx, back, h.host)
	if err == nil && p.ends[0].broken != nil {
		err = refused // the listener was closed before it accepted
	}
	if err != nil {
		h.n.core.reset(p)
		return nil, err
	}
	return p.ends[0], nil
}
