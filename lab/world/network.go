package world

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"stasis/fault"
)

// memoryNetwork is a [fault.Network] as a world has it. It remembers what a scenario isolated and froze, because a
// server that is killed is isolated and thawed meanwhile.
type memoryNetwork struct {
	kind     Kind
	net      *fault.Network
	isolated set
	frozen   set
	latency  map[[2]string]time.Duration // of each link, apart from faults
}

// baseline gives each link a latency of its own.
func (n *memoryNetwork) baseline(c Config) {
	random := rand.New(rand.NewPCG(c.Seed, 3))
	n.latency = map[[2]string]time.Duration{}
	all := hosts(c)
	for _, from := range all {
		for _, to := range all {
			if from != to && c.LatencyMost > 0 {
				n.latency[[2]string{from, to}] = c.LatencyLeast + time.Duration(random.Int64N(int64(c.LatencyMost-c.LatencyLeast)+1))
			}
		}
	}
	n.restore()
}

// restore sets each link to its latency.
func (n *memoryNetwork) restore() {
	for _, link := range slices.SortedFunc(maps.Keys(n.latency), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		n.net.Delay(link[0], link[1], n.latency[link])
	}
}

// hosts are the names of all hosts of a cluster, and of those that ask it.
func hosts(c Config) []string {
	all := []string{Client, observer}
	for role, count := range map[string]int{"agent": c.Agents, "dbserver": c.DBServers, "coordinator": c.Coordinators} {
		for i := range count {
			all = append(all, fmt.Sprintf("%s-%d", role, i+1))
		}
	}
	slices.Sort(all)
	return all
}

func (n *memoryNetwork) Cut(from, to string) error { n.net.Cut(from, to); return nil }

func (n *memoryNetwork) Heal(from, to string) error { n.net.Heal(from, to); return nil }

func (n *memoryNetwork) HealAll() error {
	n.isolated.clear()
	n.frozen.clear()
	n.net.HealAll()
	n.restore()
	return nil
}

func (n *memoryNetwork) Delay(from, to string, d time.Duration) error {
	n.net.Delay(from, to, d+n.latency[[2]string{from, to}])
	return nil
}

func (n *memoryNetwork) Throttle(from, to string, bytesPerSecond int64) error {
	n.net.Throttle(from, to, bytesPerSecond)
	return nil
}

func (n *memoryNetwork) Drop(from, to string) error { n.net.Drop(from, to); return nil }

func (n *memoryNetwork) Reset(a, b string) error { n.net.Reset(a, b); return nil }

func (n *memoryNetwork) Isolate(host string) error {
	n.isolated.add(host)
	n.net.Isolate(host)
	return nil
}

func (n *memoryNetwork) Rejoin(host string) error {
	n.isolated.remove(host)
	n.net.Rejoin(host)
	return nil
}

func (n *memoryNetwork) Freeze(host string) error {
	n.frozen.add(host)
	n.net.Freeze(host)
	return nil
}

func (n *memoryNetwork) Thaw(host string) error {
	n.frozen.remove(host)
	n.net.Thaw(host)
	return nil
}

func (n *memoryNetwork) Message(fault.Message) (Met, error) { return nil, Can(n.kind, Messages) }

func (n *memoryNetwork) Met(from, to string) (int, error) { return n.net.Met(from, to), nil }

// whileOff does something to a server that nothing is heard of meanwhile, and that is not frozen.
func (n *memoryNetwork) whileOff(host string, do func() error) error {
	n.net.Isolate(host)
	n.net.Thaw(host)
	err := do()
	n.frozen.remove(host) // what is started again runs
	if !n.isolated.has(host) {
		n.net.Rejoin(host)
	}
	return err
}
