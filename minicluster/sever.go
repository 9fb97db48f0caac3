package minicluster

import (
	"context"
	"fmt"
	"net"
	"sync"

	"stasis/internal/network"
)

// plug is a node's network with a plug to pull: sever closes all that the node
// has open at once and lets it open nothing more, as when its process is killed.
type plug struct {
	network.Network
	mu      sync.Mutex
	severed bool
	open    map[interface{ Close() error }]struct{}
}

func newPlug(n network.Network) *plug {
	return &plug{Network: n, open: map[interface{ Close() error }]struct{}{}}
}

// sever pulls the plug. Errors of closing are nobody's concern: the node is dead.
func (p *plug) sever() {
	p.mu.Lock()
	p.severed = true
	open := p.open
	p.open = map[interface{ Close() error }]struct{}{}
	p.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
}

// add keeps c until it is closed; if the plug has been pulled it closes c.
func (p *plug) add(c interface{ Close() error }) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.severed {
		_ = c.Close()
		return fmt.Errorf("the node was killed: %w", net.ErrClosed)
	}
	p.open[c] = struct{}{}
	return nil
}

func (p *plug) remove(c interface{ Close() error }) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *plug) Listen(address string) (net.Listener, error) {
	l, err := p.Network.Listen(address)
	if err != nil {
		return nil, err
	}
	if err := p.add(l); err != nil {
		return nil, err
	}
	return &pluggedListener{Listener: l, plug: p}, nil
}

func (p *plug) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := p.Network.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return p.conn(c)
}

func (p *plug) conn(c net.Conn) (net.Conn, error) {
	if err := p.add(c); err != nil {
		return nil, err
	}
	return &pluggedConn{Conn: c, plug: p}, nil
}

type pluggedListener struct {
	net.Listener
	plug *plug
}

func (l *pluggedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.plug.conn(c)
}

func (l *pluggedListener) Close() error {
	l.plug.remove(l.Listener)
	return l.Listener.Close()
}

type pluggedConn struct {
	net.Conn
	plug *plug
}

func (c *pluggedConn) Close() error {
	c.plug.remove(c.Conn)
	return c.Conn.Close()
}
