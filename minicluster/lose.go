package minicluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/agency/recovery"
	"stasis/internal/datadir"
)

// Lose ends a server as Kill does, and loses its disk: nothing of its data directory is left. A DB server or a coordinator is then
// another server, with a new id, from its next start on. An agent has the id of before: the others know it.
func (c *Cluster) Lose(name string) error {
	n, err := c.servers.named(name)
	if err != nil {
		return err
	}
	n.order.Lock()
	defer n.order.Unlock()
	n.killNow()
	if n.role != datadir.Agent {
		n.prepare = func() error { return c.setup.identify(n) }
	}
	if err := c.setup.fs(name).RemoveAll(c.setup.dataDir(name)); err != nil {
		return fmt.Errorf("%s: remove its data directory: %w", name, err)
	}
	return nil
}

// Launch starts a server that does not run, also one that has ended by itself, and does not wait until it serves: see Restart. It does
// nothing to one that runs. ctx bounds the start.
func (c *Cluster) Launch(ctx context.Context, name string) error {
	n, err := c.servers.named(name)
	if err != nil {
		return err
	}
	return n.startAgain(ctx)
}

// errRuns is a directory that cannot be worked on.
var errRuns = errors.New("it runs: kill or stop it first")

// Recover makes an agent that does not run the only member of the next incarnation of its agency, with what is on its disk: it is what
// "stasis agency recover" does. It is for the time when a majority of the agents' disks is lost. What those had acknowledged without
// this agent is lost.
func (c *Cluster) Recover(agent string) error {
	n, err := c.servers.named(agent)
	if err != nil {
		return err
	}
	n.order.Lock()
	defer n.order.Unlock()
	switch {
	case n.role != datadir.Agent:
		return fmt.Errorf("recover the agency from %s: it is a %s", agent, n.role)
	case n.running() != nil:
		return fmt.Errorf("recover the agency from %s: %w", agent, errRuns)
	}
	fs := c.setup.disk(agent)
	if fs == nil && c.options.Lab { // the process has its real disk behind one that can be broken, and keeps its votes as on such a disk
		fs = vfs.Default
	}
	_, err = recovery.Recover(recovery.Options{Dir: c.setup.dataDir(agent), FS: fs, Logger: c.options.Logger})
	return err
}
