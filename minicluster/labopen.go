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
	c.lab = &Lab{servers: c.servers, turn: make(chan struct{}, 1), wires: map[string]*wire{}}
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

// Lab breaks the cluster; nil without [Options.Lab].
func (c *Cluster) Lab() *Lab { return c.lab }
