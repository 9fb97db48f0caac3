package world

import (
	"sync"
	"time"

	"stasis/fault"
)

// localNetwork is a [fault.Network] as a world has it. It remembers what a scenario isolated and froze, because a
// server that is killed is isolated and thawed meanwhile. Servers that are paused are frozen, too, and stay so whatever becomes of
// the faults of the network.
type localNetwork struct {
	hosts
	net      *fault.Network
	isolated set

	mu     sync.Mutex // a host is frozen as these say; not held over a wait
	frozen set        // by Freeze
	paused set        // by the world
}

// newLocalNetwork gives a network its latency.
func newLocalNetwork(net *fault.Network, c Config) *localNetwork {
	if c.LatencyMost > 0 {
		net.Latency(c.LatencyLeast, c.LatencyMost, c.Seed)
	}
	return &localNetwork{hosts: hostsOf(c), net: net}
}

func (n *localNetwork) Cut(from, to string) error {
	return n.link(from, to, func() { n.net.Cut(from, to) })
}

func (n *localNetwork) Heal(from, to string) error {
	return n.link(from, to, func() { n.net.Heal(from, to) })
}

func (n *localNetwork) HealAll() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isolated.clear()
	n.frozen.clear()
	n.net.HealAllBut(n.paused.list()...)
	return nil
}

func (n *localNetwork) Delay(from, to string, d time.Duration) error {
	return n.link(from, to, func() { n.net.Delay(from, to, d) })
}

func (n *localNetwork) Throttle(from, to string, bytesPerSecond int64) error {
	return n.link(from, to, func() { n.net.Throttle(from, to, bytesPerSecond) })
}

func (n *localNetwork) Drop(from, to string) error {
	return n.link(from, to, func() { n.net.Drop(from, to) })
}

func (n *localNetwork) Reset(a, b string) error {
	return n.link(a, b, func() { n.net.Reset(a, b) })
}

// link does something to a link if there is one.
func (n *localNetwork) link(from, to string, do func()) error {
	if err := n.known(from, to); err != nil {
		return err
	}
	do()
	return nil
}

func (n *localNetwork) Isolate(host string) error {
	return n.link(host, host, func() {
		n.isolated.add(host)
		n.net.Isolate(host)
	})
}

func (n *localNetwork) Rejoin(host string) error {
	return n.link(host, host, func() {
		n.isolated.remove(host)
		n.net.Rejoin(host)
	})
}

func (n *localNetwork) Freeze(host string) error { return n.stop(host, &n.frozen) }
func (n *localNetwork) Thaw(host string) error   { return n.goOn(host, &n.frozen) }

// pause freezes a host until resume, also if all else is healed.
func (n *localNetwork) pause(host string) error  { return n.stop(host, &n.paused) }
func (n *localNetwork) resume(host string) error { return n.goOn(host, &n.paused) }

// stop freezes a host. why has those that are frozen for that reason.
func (n *localNetwork) stop(host string, why *set) error {
	return n.link(host, host, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		why.add(host)
		n.net.Freeze(host)
	})
}

// goOn thaws a host, unless it is frozen for another reason.
func (n *localNetwork) goOn(host string, why *set) error {
	return n.link(host, host, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		why.remove(host)
		if !n.frozen.has(host) && !n.paused.has(host) {
			n.net.Thaw(host)
		}
	})
}

// awake thaws a host whose process is another one: it is frozen for no reason.
func (n *localNetwork) awake(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen.remove(host)
	n.paused.remove(host)
	n.net.Thaw(host)
}

func (n *localNetwork) Message(m fault.Message) (Met, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if err := n.knownOrAny(m.From, m.To); err != nil {
		return nil, err
	}
	return n.net.Message(m), nil
}

func (n *localNetwork) Met(from, to string) (int, error) {
	if err := n.known(from, to); err != nil {
		return 0, err
	}
	return n.net.Met(from, to), nil
}

// whileOff does something to a server that nothing is heard of meanwhile, and that is not frozen.
func (n *localNetwork) whileOff(host string, do func() error) error {
	n.net.Isolate(host)
	n.awake(host)
	err := do()
	n.awake(host) // what is started again runs
	if !n.isolated.has(host) {
		n.net.Rejoin(host)
	}
	return err
}

// breakOff loses what a host has said and what has not arrived yet, with its connections.
func (n *localNetwork) breakOff(host string) {
	for _, other := range append(hosts{observer}, n.hosts...) {
		if other != host {
			n.net.Reset(host, other)
		}
	}
}
