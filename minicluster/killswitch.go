package minicluster

import (
	"container/list"
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"stasis/internal/network"
)

// killSwitch is a node's network that can be taken away. When it has tripped, all that the node
// had open is closed and the node can open nothing more, as when its process is killed.
type killSwitch struct {
	network.Network
	mu      sync.Mutex
	tripped bool
	open    *list.List // of io.Closer, the oldest first
}

func newKillSwitch(n network.Network) *killSwitch {
	return &killSwitch{Network: n, open: list.New()}
}

// trip closes everything. Errors of closing do not matter: the node is dead.
func (k *killSwitch) trip() {
	k.mu.Lock()
	k.tripped = true
	open := k.open
	k.open = list.New()
	k.mu.Unlock()
	for at := open.Front(); at != nil; at = at.Next() {
		_ = at.Value.(io.Closer).Close()
	}
}

// add keeps c until it is closed. If the switch has tripped it closes c.
func (k *killSwitch) add(c io.Closer) (*list.Element, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tripped {
		_ = c.Close()
		return nil, fmt.Errorf("the node was killed: %w", net.ErrClosed)
	}
	return k.open.PushBack(c), nil
}

func (k *killSwitch) remove(at *list.Element) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open.Remove(at) // does nothing when the switch has tripped
}

// Listen implements [network.Network].
func (k *killSwitch) Listen(address string) (net.Listener, error) {
	l, err := k.Network.Listen(address)
	if err != nil {
		return nil, err
	}
	at, err := k.add(l)
	if err != nil {
		return nil, err
	}
	return &killableListener{Listener: l, kills: k, at: at}, nil
}

// DialContext implements [network.Network].
func (k *killSwitch) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := k.Network.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return k.conn(c)
}

func (k *killSwitch) conn(c net.Conn) (net.Conn, error) {
	at, err := k.add(c)
	if err != nil {
		return nil, err
	}
	return &killableConn{Conn: c, kills: k, at: at}, nil
}

type killableListener struct {
	net.Listener
	kills *killSwitch
	at    *list.Element
}

// Accept implements net.Listener.
func (l *killableListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.kills.conn(c)
}

// Close implements net.Listener.
func (l *killableListener) Close() error {
	l.kills.remove(l.at)
	return l.Listener.Close()
}

type killableConn struct {
	net.Conn
	kills *killSwitch
	at    *list.Element
}

// Close implements net.Conn.
func (c *killableConn) Close() error {
	c.kills.remove(c.at)
	return c.Conn.Close()
}
