package minicluster

import (
	"context"
	"errors"
	"slices"

	"stasis/internal/datadir"
)

// Cluster is a cluster on this machine. All methods may be called from any goroutine;
// Kill, Restart and Stop of one server wait for each other.
type Cluster struct {
	options Options
	servers *members
	setup   *setup
	revival revival
	lab     *Lab // nil: it cannot be broken
	holds   standingHolds
	faults  chan error
	release func() error // gives the directory free
	old     bool         // it was there before
}

// add makes a node that does not run yet. DB servers and coordinators get their data
// directories now.
func (c *Cluster) add(name string, role datadir.Role, p *place) error {
	n := c.setup.newNode(name, role, p, c.fault)
	c.servers.add(n)
	if role == datadir.Agent {
		return nil
	}
	err := c.setup.identify(n)
	if err != nil && c.mayLack() {
		n.prepare = func() error { return c.setup.identify(n) } // it is found to be broken when it is started
		return nil
	}
	return err
}

// mayLack reports whether the cluster may run without some of its servers.
func (c *Cluster) mayLack() bool { return c.options.Degraded && c.old }

// start starts the agents and then all others at once: after a crash they may
// need each other to complete what was begun.
func (c *Cluster) start(ctx context.Context) error {
	if err := c.startThese(ctx, c.servers.agents); err != nil {
		return err
	}
	if c.old {
		c.markRemoved(ctx)
	}
	return c.startThese(ctx, present(c.servers.others()))
}

// startThese starts nodes at once. If the cluster may lack some, those that cannot be
// started are left to the revival, unless the others are too few for a cluster.
func (c *Cluster) startThese(ctx context.Context, nodes []*node) error {
	err := together(nodes, func(n *node) error { return n.start(ctx) })
	if err == nil || !c.mayLack() {
		return err
	}
	if err := enough(nodes, (*node).alive); err != nil {
		return err
	}
	for _, n := range nodes {
		if err := n.broken(); err != nil {
			c.options.Logger.Warn("a server of the cluster cannot be started", "server", n.name, "reason", err)
			n.woken()
		}
	}
	return nil
}

// observe makes an observer of the servers, which has to be closed.
func (c *Cluster) observe() *observer {
	return newObserver(c.options.Seams.host("minicluster"), c.servers.agencyURLs())
}

// markRemoved notes which servers were removed from the cluster.
func (c *Cluster) markRemoved(ctx context.Context) {
	o := c.observe()
	defer o.close()
	if err := o.markRemoved(ctx, c.servers.all()); err != nil {
		c.options.Logger.Warn("not known who was removed from the cluster", "error", err)
	}
}

// fault keeps why nodes ended that this process did not end, as many as there are nodes.
func (c *Cluster) fault(err error) {
	c.options.Logger.Warn("a server has ended without being told", "error", err)
	select {
	case c.faults <- err:
	default: // it is in the log
	}
}

// Ready waits until an agent leads and every DB server and coordinator that was
// started serves, is registered, and is GOOD by the supervision's judgement. When ctx ends first
// (after a minute if it has no deadline), or a server dies, the error lists what is missing.
// A cluster with Options.Degraded is ready without those that are broken, and after
// the limit without those that are not ready yet.
func (c *Cluster) Ready(ctx context.Context) error {
	o := c.observe()
	defer o.close()
	if c.mayLack() {
		return awaitMost(ctx, o, c.servers.all())
	}
	return awaitAll(ctx, o, present(c.servers.all()))
}

// Nodes lists all servers, whether they run or not.
func (c *Cluster) Nodes() (agents, dbservers, coordinators []Node) {
	list := func(nodes []*node) []Node {
		all := make([]Node, len(nodes))
		for i, n := range nodes {
			all[i] = n.describe()
		}
		return all
	}
	return list(c.servers.agents), list(c.servers.dbservers), list(c.servers.coordinators)
}

// Alive counts the agents that run, all agents, and all other servers that run.
func (c *Cluster) Alive() (agents, of, others int) {
	return countAlive(c.servers.agents), len(c.servers.agents), countAlive(c.servers.others())
}

// Err delivers the reason when a server ends that was not killed or stopped through
// this Cluster. The others go on.
func (c *Cluster) Err() <-chan error { return c.faults }

// News tells what becomes of servers that have ended: when one is started again, and that it
// runs. A slow reader misses some.
func (c *Cluster) News() <-chan string { return c.revival.news }

// Stop stops everything, coordinators first and agents last, and waits for it.
// Each role has ten seconds, then it is killed. The error has what went wrong, and
// why servers ended that ended by themselves. That a server was killed from outside is no
// error here. Calling Stop again is harmless.
func (c *Cluster) Stop(ctx context.Context) error {
	c.revival.stop()
	c.holds.end()
	c.lab.close() // servers whose disk hangs cannot be stopped
	var errs []error
	for _, group := range [][]*node{c.servers.coordinators, c.servers.dbservers, c.servers.agents} {
		errs = append(errs, together(group, func(n *node) error { return n.stop(ctx) }))
	}
	return errors.Join(slices.Concat(errs, []error{c.lab.last(), c.release()})...)
}
