package fault

import (
	"slices"
	"time"
)

// Latency gives every link between two different hosts a latency from least to most, which is drawn for each piece
// from a seeded stream of the link's own. It is how the network is when it is whole: no Heal takes it back, and
// Delay adds to it. Streams stay in order. It replaces what LinkLatency set. 0 and 0 take it back.
func (n *Network) Latency(least, most time.Duration, seed uint64) {
	n.change(func() {
		n.baseline = func(l *link) {
			if l.from != l.to {
				l.latency = newLatency(least, most, seed, l.from.name, l.to.name)
			}
		}
		for _, l := range n.links {
			n.baseline(l)
		}
	})
}

// LinkLatency is Latency for one direction between two hosts.
func (n *Network) LinkLatency(from, to string, least, most time.Duration, seed uint64) {
	n.change(func() { n.link(from, to).latency = newLatency(least, most, seed, from, to) })
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

// FreezeLink makes one direction silent without a loss, as a stuck proxy does: connections can be made, from may
// send until the buffers are full, and to gets nothing of it before ThawLink.
func (n *Network) FreezeLink(from, to string) { n.change(func() { n.link(from, to).frozen = true }) }

// ThawLink takes FreezeLink back.
func (n *Network) ThawLink(from, to string) { n.change(func() { n.link(from, to).frozen = false }) }

// Delay makes what is sent from now on arrive d later than it would without. 0 takes it back.
func (n *Network) Delay(from, to string, d time.Duration) {
	n.change(func() { n.link(from, to).delay = d })
}

// Throttle limits a link to so many bytes a second, shared by all its connections. 0 takes it back.
func (n *Network) Throttle(from, to string, bytesPerSecond int64) {
	n.change(func() { n.link(from, to).rate = bytesPerSecond })
}

// HealAll takes back every Cut, Isolate, Freeze, FreezeLink, Delay, Throttle and Message. What Drop,
// HalfOpen and Reset did to connections stays, and so does the baseline Latency.
func (n *Network) HealAll() { n.HealAllBut() }

// HealAllBut is HealAll, and leaves the hosts that are named frozen: they are frozen for another reason than a fault of the network.
// They do not go on in between.
func (n *Network) HealAllBut(frozen ...string) {
	for _, r := range n.messages.now() {
		r.End()
	}
	n.change(func() {
		for _, l := range n.links {
			l.cut, l.frozen, l.delay, l.rate = false, false, 0, 0
		}
		for _, h := range n.hosts {
			h.isolated, h.frozen = false, h.frozen && slices.Contains(frozen, h.name)
		}
	})
}

// Drop loses for good what from has sent to to and has not arrived, over the connections that
// exist now, and all that these connections will carry in that direction. Neither end is told; new
// connections work. Dropping from server to client after a request has arrived loses the
// answer to a call that did happen.
func (n *Network) Drop(from, to string) {
	n.change(func() {
		for s := range n.core.streams {
			if s.gone() || s.link.from.name != from || s.link.to.name != to {
				continue
			}
			s.lose()
			s.lost = true
		}
	})
}

// HalfOpen makes to know nothing of the connections with from that exist now, as after a NAT between them has
// lost its state. What to sends still arrives. What from sends is lost and answered by a reset, one round trip
// later: from, and from alone, then sees "connection reset by peer". As long as from does not send, neither end
// sees anything. New connections work.
func (n *Network) HalfOpen(from, to string) {
	n.change(func() {
		now := time.Now()
		for s := range n.core.streams {
			if s.link.from.name == from && s.link.to.name == to {
				s.forget(now)
			}
		}
	})
}

// Reset breaks every connection between two hosts at once. Both ends see
// "connection reset by peer". New connections can be made, unless a rule forbids it.
func (n *Network) Reset(a, b string) {
	n.change(func() {
		for p := range n.core.all {
			there := p.ends[0].out.link
			if from, to := there.from.name, there.to.name; from == a && to == b || from == b && to == a {
				there.tally.Reset++
				p.ends[1].out.link.tally.Reset++
				n.core.reset(p)
			}
		}
	})
}

// Met counts what Cut, Isolate, Freeze, FreezeLink, Drop and HalfOpen kept from arriving on the way from from to
// to: pieces of streams and steps of handshakes. A test that cuts a link proves with it that the fault was met.
func (n *Network) Met(from, to string) int { return n.Tally(from, to).kept() }

// Tally tells what each kind of rule did on the way from from to to.
func (n *Network) Tally(from, to string) Tally {
	n.core.mu.Lock()
	defer n.core.mu.Unlock()
	return n.link(from, to).tally
}
