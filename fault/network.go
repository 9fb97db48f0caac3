package fault

import (
	"container/list"
	"maps"
	"slices"
	"time"
)

// Network is a network in memory with named hosts. Each direction between two hosts has
// rules of its own, which its methods change at once.
//
// Connections behave like TCP's. A stream is never reordered or torn. What a cut link
// holds back is sent again when the link heals, unless Drop lost it for good. What had
// arrived before a fault can still be read after it. Closing a connection is a message,
// too: over a cut link the peer does not learn of it.
//
// A Network has no goroutines, only channels and timers. It therefore works inside a bubble of
// testing/synctest in which it was made, and delays are exact there.
//
// All methods may be called from any goroutine. A rule may name hosts that do not exist yet.
// The link of a host to itself is cut only by its own name.
type Network struct {
	core      core
	hosts     map[string]*host
	links     map[[2]string]*link
	listeners map[string]*listener // by "host:port"
}

// NewNetwork makes a network without hosts and without faults.
func NewNetwork() *Network {
	return &Network{
		hosts:     map[string]*host{},
		links:     map[[2]string]*link{},
		listeners: map[string]*listener{},
		core:      core{pairs: list.New()},
	}
}

// Cut holds back everything that from sends to to. Reads wait until Heal or their
// deadline. Attempts to connect wait, in both directions: a handshake needs both.
func (n *Network) Cut(from, to string) { n.change(func() { n.link(from, to).cut = true }) }

// Heal takes Cut back. What was held back is sent again now.
func (n *Network) Heal(from, to string) { n.change(func() { n.link(from, to).cut = false }) }

// Isolate cuts a host off from all others, in both directions.
func (n *Network) Isolate(name string) { n.change(func() { n.host(name).isolated = true }) }

// Rejoin takes Isolate back. Single links that were cut stay cut.
func (n *Network) Rejoin(name string) { n.change(func() { n.host(name).isolated = false }) }

// Freeze stops a host as SIGSTOP stops a process. Its reads, writes, accepts and dials do not
// return before their deadlines. Its system goes on accepting connections and bytes until the
// buffers are full.
func (n *Network) Freeze(name string) { n.change(func() { n.host(name).frozen = true }) }

// Thaw takes Freeze back.
func (n *Network) Thaw(name string) { n.change(func() { n.host(name).frozen = false }) }

// Delay makes what is sent from now on arrive d later. 0 takes it back.
func (n *Network) Delay(from, to string, d time.Duration) {
	n.change(func() { n.link(from, to).delay = d })
}

// Throttle limits a link to so many bytes a second, shared by all its connections. 0 takes it back.
func (n *Network) Throttle(from, to string, bytesPerSecond int64) {
	n.change(func() { n.link(from, to).rate = bytesPerSecond })
}

// HealAll takes back every Cut, Isolate, Freeze, Delay and Throttle. What Drop
// and Reset did to connections stays.
func (n *Network) HealAll() {
	n.change(func() {
		for _, l := range n.links {
			l.cut, l.delay, l.rate = false, 0, 0
		}
		for _, h := range n.hosts {
			h.isolated, h.frozen = false, false
		}
	})
}

// Drop loses for good what from has sent to to and has not arrived, over the connections that
// exist now, and all that these connections will carry in that direction. Neither end is told; new
// connections work. Dropping from server to client after a request has arrived loses the
// answer to a call that did happen.
func (n *Network) Drop(from, to string) {
	n.change(func() {
		for s := range n.streams {
			if s.lost || s.link.from.name != from || s.link.to.name != to {
				continue
			}
			if s.lost = true; s.link.up() { // a link that is down has counted them
				s.link.met += s.underway()
			}
		}
	})
}

// Reset breaks every connection between two hosts at once. Both ends see
// "connection reset by peer". New connections can be made, unless a rule forbids it.
func (n *Network) Reset(a, b string) {
	n.change(func() {
		for p := range n.all {
			from, to := p.ends[0].out.link.from.name, p.ends[0].out.link.to.name
			if from == a && to == b || from == b && to == a {
				n.core.reset(p)
			}
		}
	})
}

// Met counts what Cut, Isolate and Drop kept from arriving on the way from from to to: pieces
// of streams and steps of handshakes. A test that cuts a link proves with it that the
// fault was met.
func (n *Network) Met(from, to string) int {
	n.core.mu.Lock()
	defer n.core.mu.Unlock()
	return n.link(from, to).met
}

// Close closes all listeners and connections. What waits on one returns with
// net.ErrClosed, and so does every later use. The error is always nil.
func (n *Network) Close() error {
	n.change(func() {
		n.core.closed = true
		clear(n.listeners)
		n.core.pairs = list.New() // a dial that ends after this finds that its connection is in no list
	})
	return nil
}

// change applies f to the rules at one moment: what had arrived before stays
// arrived, what was held back by a link that f mends is sent again, and all that
// wait look again. It goes through listeners and connections in a fixed order, because the order of waking
// decides what runs first.
func (n *Network) change(f func()) {
	n.core.mu.Lock()
	defer n.core.mu.Unlock()
	now := time.Now()
	down := map[*stream]bool{}
	for s := range n.streams {
		s.keepArrived(now)
		down[s] = !s.link.up()
		s.changed.wake()
	}
	for _, address := range slices.Sorted(maps.Keys(n.listeners)) {
		n.listeners[address].changed.wake()
	}
	f()
	for s := range n.streams {
		switch up := s.link.up(); {
		case down[s] && up:
			s.resend(now)
		case !down[s] && !up && !s.lost:
			s.link.met += s.underway()
		}
	}
	n.core.changed.wake()
}

// all iterates over the connections in the order in which they were made. The body may
// end the one it has.
func (n *Network) all(yield func(*pair) bool) {
	for at := n.core.pairs.Front(); at != nil; {
		next := at.Next()
		if !yield(at.Value.(*pair)) {
			return
		}
		at = next
	}
}

// streams iterates over every direction of every connection.
func (n *Network) streams(yield func(*stream) bool) {
	for p := range n.all {
		if !yield(p.ends[0].out) || !yield(p.ends[1].out) {
			return
		}
	}
}

func (n *Network) host(name string) *host {
	h := n.hosts[name]
	if h == nil {
		h = &host{name: name}
		n.hosts[name] = h
	}
	return h
}

func (n *Network) link(from, to string) *link {
	key := [2]string{from, to}
	l := n.links[key]
	if l == nil {
		l = &link{from: n.host(from), to: n.host(to)}
		n.links[key] = l
	}
	return l
}
