package minicluster

import (
	"context"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/network"
)

// openLab makes what is broken before the servers start that stand on it.
func (c *Cluster) openLab() error {
	if !c.options.Lab {
		return nil
	}
	c.lab = &Lab{servers: c.servers, wires: map[string]*wire{}}
	if c.options.Mode == Processes {
		return nil
	}
	here := &labHere{net: fault.NewNetworkOver(network.TCP(), c.servers.hostAt), disks: fault.WrapDisks(vfs.Default)}
	c.setup.here, c.lab.faults = here, here.faults(c.servers)
	conn, end, err := control.Local(context.Background(), c.lab.faults)
	if err != nil {
		return err
	}
	c.lab.here = &wire{turn: make(chan struct{}, 1), conn: conn, here: true}
	c.lab.end = func() {
		_, _ = conn.Do(context.Background(), control.Order{Do: control.HealAll}) // it is answered from this process
		end()
	}
	c.lab.gone = here.net.Close
	return nil
}

// last closes the network of this process, when no server uses it any more.
func (l *Lab) last() error {
	if l == nil || l.gone == nil {
		return nil
	}
	return l.gone()
}

// wire makes the connections to the servers, which are opened when they are needed.
func (l *Lab) wire(nodes []*node) {
	if l == nil {
		return
	}
	for _, n := range nodes {
		if l.wires[n.name] = l.here; l.here == nil {
			l.wires[n.name] = newWire()
		}
	}
}

// close takes all faults of this process back, and ends all connections: servers that hang cannot be stopped.
func (l *Lab) close() {
	switch {
	case l == nil:
	case l.end != nil:
		l.end()
	default:
		for _, w := range l.wires {
			w.end()
		}
	}
}

// Lab breaks the cluster; nil without [Options.Lab].
func (c *Cluster) Lab() *Lab { return c.lab }
