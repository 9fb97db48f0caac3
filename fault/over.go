package fault

import (
	"net"
	"sync"
)

// Outside is the host of every address that no one else is known to have, in a network over a real one.
const Outside = "outside"

// over is the real network below a Network.
type over struct {
	below  Host
	hostOf func(address string) string
	pumps  sync.WaitGroup // of the connections that a rule concerns

	mu        sync.Mutex // guards the rest
	closed    bool
	listeners map[string]*overListener // by address
}

// overListener gives the connections of the network below as they are: the dialing side meets the rules.
type overListener struct {
	net.Listener
	over *over
	name string // of the host
	at   string
}

// listen opens address for a host.
func (o *over) listen(name, address string) (net.Listener, error) {
	below, err := o.below.Listen(address)
	if err != nil {
		return nil, err
	}
	l := &overListener{Listener: below, over: o, name: name, at: below.Addr().String()}
	o.mu.Lock()
	closed := o.closed
	if !closed {
		o.listeners[l.at] = l
	}
	o.mu.Unlock()
	if closed {
		_ = below.Close() // nothing has used it
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: addr(address), Err: net.ErrClosed}
	}
	return l, nil
}

// Close implements net.Listener.
func (l *overListener) Close() error {
	l.over.mu.Lock()
	if l.over.listeners[l.at] == l {
		delete(l.over.listeners, l.at)
	}
	l.over.mu.Unlock()
	return l.Listener.Close()
}

// host is who has an address.
func (o *over) host(address string) string {
	o.mu.Lock()
	l := o.listeners[address]
	o.mu.Unlock()
	if l != nil {
		return l.name
	}
	if o.hostOf != nil {
		if name := o.hostOf(address); name != "" {
			return name
		}
	}
	return Outside
}

// close closes the listeners, and waits for the pumps of connections that were closed.
func (o *over) close() {
	if o == nil {
		return
	}
	o.mu.Lock()
	o.closed = true
	listeners := o.listeners
	o.listeners = nil
	o.mu.Unlock()
	for _, l := range listeners {
		_ = l.Listener.Close() // the network is gone, whatever it says
	}
	o.pumps.Wait()
}
