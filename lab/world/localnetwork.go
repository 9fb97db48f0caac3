package world

import (
	"time"

	"stasis/fault"
)

// localNetwork is a [fault.Network] as a world has it. It remembers what a scenario isolated and froze, because a
// server that is killed is isolated and thawed meanwhile.
type localNetwork struct {
	hosts
	net      *fault.Network
	isolated set
	frozen   set
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
	n.isolated.clear()
	n.frozen.clear()
	n.net.HealAll()
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

func (n *localNetwork) Freeze(host string) error {
	return n.link(host, host, func() {
		n.frozen.add(host)
		n.net.Freeze(host)
	})
}

func (n *localNetwork) Thaw(host string) error {
	return n.link(host, host, func() {
		n.frozen.remove(host)
		n.net.Thaw(host)
	})
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
	n.net.Thaw(host)
	err := do()
	n.frozen.remove(host) // what is started again runs
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
