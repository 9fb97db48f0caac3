package fault

import (
	"container/list"
	"maps"
	"slices"
	"time"
)

// Network is a network with named hosts, in memory or over a real one ([NewNetworkOver]). Each direction between
// two hosts has rules of its own, which its methods change at once.
//
// Connections behave like TCP's. A stream is never reordered or torn. What a cut link
// holds back is sent again when the link heals, unless Drop lost it for good. What had
// arrived before a fault can still be read after it. Closing a connection is a message,
// too: over a cut link the peer does not learn of it.
//
// A Network in memory has no goroutines but those of messages that arrive without a caller (see [Duplicate]), only
// channels and timers. It therefore works inside a bubble of testing/synctest in which it was made, and delays are
// exact there.
//
// All methods may be called from any goroutine. A rule may name hosts that do not exist yet.
// The link of a host to itself is cut only by its own name.
type Network struct {
	core      core
	hosts     map[string]*host
	links     map[[2]string]*link
	listeners map[string]*listener // by "host:port"
	baseline  func(l *link)        // sets the latency of a new link
	messages  *messages
	over      *over // the real network below; nil in memory
}

// NewNetwork makes a network in memory, without hosts and without faults.
func NewNetwork() *Network {
	return &Network{
		hosts:     map[string]*host{},
		links:     map[[2]string]*link{},
		listeners: map[string]*listener{},
		core:      core{pairs: list.New()},
		baseline:  func(*link) {},
		messages:  newMessages(),
	}
}

// Close closes all listeners and connections that it made. What waits on one returns with
// net.ErrClosed, and so does every later use. The error is always nil.
func (n *Network) Close() error {
	n.change(func() {
		n.core.closed = true
		for p := range n.core.all {
			if p.relay != nil {
				p.relay.abort(false)
			}
		}
		clear(n.listeners)
		n.core.pairs = list.New() // a dial that ends after this finds that its connection is in no list
	})
	n.messages.end()
	n.over.close()
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
	type before struct{ up, read bool }
	was := map[*stream]before{}
	for s := range n.core.streams {
		s.keepArrived(now)
		was[s] = before{up: s.link.up(), read: !s.link.to.frozen}
		s.changed.wake()
	}
	for _, address := range slices.Sorted(maps.Keys(n.listeners)) {
		n.listeners[address].changed.wake()
	}
	f()
	for s := range n.core.streams {
		switch before, up := was[s], s.link.up(); {
		case s.gone():
		case !before.up && up:
			s.resend(now)
		case before.up && !up, before.read && s.link.to.frozen && up:
			s.underway(s.link.keep)
		}
	}
	for p := range n.core.all {
		if p.relay != nil && !p.plain() {
			p.relay.engage()
		}
	}
	n.core.changed.wake()
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
		n.baseline(l)
		n.links[key] = l
	}
	return l
}
