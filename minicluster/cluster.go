package minicluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"

	"stasis/agency"
	"stasis/internal/datadir"
)

// Cluster is a cluster on this machine.
type Cluster struct {
	options      Options
	agents       []*node
	dbservers    []*node
	coordinators []*node
	peers        map[string]string // agents' ids → addresses
	faults       chan error
	release      func() error // gives the directory free
	old          bool         // it was there before
	keepers      keepers
}

// Start makes the cluster of o.Dir, or a new one there, and starts its servers.
// ctx bounds the start. When it returns without error all servers run, but they
// may not serve yet: see Ready. After an error nothing is left running.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	release, err := claim(o)
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: o, peers: map[string]string{}, release: release}
	if err := c.begin(ctx); err != nil {
		return nil, errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// begin finds or makes the layout and starts the nodes.
func (c *Cluster) begin(ctx context.Context) error {
	l, changed, err := prepare(c.options)
	if err != nil {
		return err
	}
	c.old = l.old
	if err := l.each(func(name string, role datadir.Role, _ int, p *place) error { return c.add(name, role, p) }); err != nil {
		return err
	}
	if changed { // not before all directories are found to be free to use
		if err := l.write(c.options.Dir); err != nil {
			return err
		}
	}
	c.faults = make(chan error, len(c.nodes()))
	c.beginKeeping()
	return c.start(ctx)
}

// prepare finds or makes the layout and checks that it can be started.
func prepare(o Options) (l *layout, changed bool, err error) {
	was, err := readLayout(o.Dir)
	if err != nil {
		return nil, false, err
	}
	if l, changed, err = was.fit(o); err != nil {
		return nil, false, err
	}
	l.old = was != nil
	if l.old && o.Degraded { // whose port is taken is found to be broken when it is started
		return l, changed, nil
	}
	if err := l.checkPorts(o); err != nil || l.old {
		return l, changed, err
	}
	return l, false, l.write(o.Dir)
}

// add makes a node that does not run yet. It claims the data directories of DB
// servers and coordinators, so that their ids are known before they start.
func (c *Cluster) add(name string, role datadir.Role, p *place) error {
	n := &node{name: name, role: role, id: p.ID, address: c.options.address(name, p.Port), report: c.fault, wake: make(chan struct{}, 1)}
	switch {
	case c.options.Mode == Processes:
		n.launch = c.launchProcess
	case role == datadir.Agent && c.options.Memory:
		n.stores = agency.NewMemoryStores()
		n.launch = c.launcherInProcess(n.stores)
	default:
		n.launch = c.launcherInProcess(nil)
	}
	if role == datadir.Agent {
		c.agents = append(c.agents, n)
		c.peers[n.id] = n.address
		return nil
	}
	if role == datadir.DBServer {
		c.dbservers = append(c.dbservers, n)
	} else {
		c.coordinators = append(c.coordinators, n)
	}
	identify := func() error {
		dir, err := datadir.Open(c.options.fs(name), c.dataDir(name), role, nil)
		if err != nil {
			return err
		}
		n.identify(dir.ID())
		return dir.Close()
	}
	err := identify()
	if err != nil && c.mayLack() {
		n.prepare = identify // it is found to be broken when it is started
		return nil
	}
	return err
}

// start starts the agents and then all others at once: after a crash they may
// need each other to finish what was begun.
func (c *Cluster) start(ctx context.Context) error {
	if err := c.startThese(ctx, c.agents); err != nil {
		return err
	}
	if c.old {
		c.findRemoved(ctx)
	}
	return c.startThese(ctx, c.present(append(c.dbservers[:len(c.dbservers):len(c.dbservers)], c.coordinators...)))
}

// startThese starts nodes at once. Of a cluster that may lack some, those that cannot be
// started are left to their keepers, unless the others are no cluster.
func (c *Cluster) startThese(ctx context.Context, nodes []*node) error {
	err := together(nodes, func(n *node) error { return n.start(ctx) })
	if err == nil || !c.mayLack() {
		return err
	}
	if err := c.tooFew(nodes); err != nil {
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

// together does f to all nodes at once and waits for all.
func together(nodes []*node, f func(*node) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { errs[i] = f(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *Cluster) nodes() []*node {
	all := append([]*node{}, c.agents...)
	return append(append(all, c.dbservers...), c.coordinators...)
}

func (c *Cluster) agencyURLs() []string {
	urls := make([]string, len(c.agents))
	for i, a := range c.agents {
		urls[i] = "http://" + a.address
	}
	return urls
}

// fault keeps what nodes died of that nobody here ended, as many as there are nodes.
func (c *Cluster) fault(err error) {
	c.options.Logger.Warn("a server has ended without being told", "error", err)
	select {
	case c.faults <- err:
	default:
	}
}

// Err delivers the reason when a server ends that was not killed or stopped through
// this Cluster. The others go on.
func (c *Cluster) Err() <-chan error { return c.faults }

// Nodes lists all servers, whether they run or not.
func (c *Cluster) Nodes() (agents, dbservers, coordinators []Node) {
	list := func(nodes []*node) []Node {
		all := make([]Node, len(nodes))
		for i, n := range nodes {
			all[i] = n.describe()
		}
		return all
	}
	return list(c.agents), list(c.dbservers), list(c.coordinators)
}

// Stop stops everything, coordinators first and agents last, and waits for it:
// each role has ten seconds, then it is killed. The error has what went wrong, and
// what servers died of that ended by themselves; that somebody killed one is no
// error here. Calling it again is harmless.
func (c *Cluster) Stop(ctx context.Context) error {
	c.keepers.stop()
	var errs []error
	for _, group := range [][]*node{c.coordinators, c.dbservers, c.agents} {
		errs = append(errs, together(group, func(n *node) error { return n.stop(ctx) }))
	}
	return errors.Join(append(errs, c.release())...)
}

func (c *Cluster) node(name string) (*node, error) {
	for _, n := range c.nodes() {
		if n.name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("no node %q in this cluster: names are agent-1, dbserver-1, coordinator-1 and so on", name)
}

// Kill ends a server without giving it time for anything: SIGKILL for a process.
// In process it is cut off from the network and closed without waiting for its
// requests; unlike a process it syncs its files. A node that does not run stays so.
func (c *Cluster) Kill(name string) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	n.kill()
	return nil
}

// Pause stops a server's process where it is (SIGSTOP): when Pause returns, it does nothing
// any more (on Linux; elsewhere a little later), while its system goes on taking connections and bytes for it. In process there is
// nothing like it, and it is an error: freeze the host in a fault.Network instead,
// which lets nobody hear of the server, or it of anybody. Kill and Stop end a paused
// server as any other.
func (c *Cluster) Pause(name string) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	return n.signal("pause", running.pause)
}

// Resume takes Pause back (SIGCONT).
func (c *Cluster) Resume(name string) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	return n.signal("resume", running.resume)
}

// HangDisk makes the disk of an agent that keeps its log in memory hang until thaw is
// called: its calls to the disk do not return. Such an agent cannot be stopped or killed.
func (c *Cluster) HangDisk(name string) (thaw func(), err error) {
	n, err := c.node(name)
	if err != nil {
		return nil, err
	}
	if n.stores == nil {
		return nil, fmt.Errorf("hang the disk of %s: only agents in memory have one that can hang", name)
	}
	return n.stores.Freeze(), nil
}

// KillAll kills all servers at once.
func (c *Cluster) KillAll() {
	_ = together(c.nodes(), func(n *node) error { n.kill(); return nil }) // never fails
}

// Restart starts a server that was killed, or stops and starts one that runs. It
// returns when the server serves; ctx bounds that.
func (c *Cluster) Restart(ctx context.Context, name string) error {
	n, err := c.node(name)
	if err != nil {
		return err
	}
	if err := n.stop(ctx); err != nil {
		return err
	}
	if err := n.start(ctx); err != nil {
		return err
	}
	return c.await(ctx, []*node{n})
}
