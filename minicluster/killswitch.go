package minicluster

import (
	"container/list"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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

// RoundTripper implements [network.Messages]: requests meet the faults of the network below, and end when the
// node is killed, also those that a fault keeps from having a connection.
func (k *killSwitch) RoundTripper(t http.RoundTripper) http.RoundTripper {
	if m, ok := k.Network.(network.Messages); ok {
		return &killableTripper{RoundTripper: m.RoundTripper(t), kills: k}
	}
	return t
}

// Call implements [network.Messages].
func (k *killSwitch) Call(ctx context.Context, address, path string, repeatable bool, do func(again bool) error) error {
	m, ok := k.Network.(network.Messages)
	if !ok {
		return do(false)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	at, err := k.add(ending(cancel))
	if err != nil {
		return err
	}
	defer k.remove(at)
	return m.Call(ctx, address, path, repeatable, do)
}

// ending ends what waits when the node is killed.
type ending context.CancelFunc

// Close implements io.Closer.
func (e ending) Close() error {
	e()
	return nil
}

type killableTripper struct {
	http.RoundTripper
	kills *killSwitch
}

// RoundTrip implements http.RoundTripper.
func (t *killableTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	at, err := t.kills.add(ending(cancel))
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // it is not used
		}
		return nil, err
	}
	answer, err := t.RoundTripper.RoundTrip(r.WithContext(ctx))
	t.kills.remove(at)
	if err != nil {
		cancel()
		return nil, err
	}
	answer.Body = &killableBody{ReadCloser: answer.Body, end: cancel}
	return answer, nil
}

// CloseIdleConnections is what http.Client calls.
func (t *killableTripper) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// killableBody keeps the context of a request until its answer has been read.
type killableBody struct {
	io.ReadCloser
	end context.CancelFunc
}

// Close implements io.Closer.
func (b *killableBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
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
