package minicluster

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"

	"stasis/internal/datadir"
)

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
	release, err := lockDir(o)
	if err != nil {
		return nil, err
	}
	servers := &members{}
	c := &Cluster{options: o, servers: servers, setup: &setup{options: o, servers: servers}, release: release}
	if err := c.openLab(); err != nil {
		return nil, errors.Join(err, release())
	}
	if err := c.begin(ctx); err != nil {
		return nil, errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// begin finds or makes the layout and starts the nodes.
func (c *Cluster) begin(ctx context.Context) error {
	l, changed, err := findLayout(c.options)
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
	if err := c.setup.openKey(); err != nil {
		return err
	}
	c.prepare()
	return c.start(ctx)
}

// findLayout finds or makes the layout and checks that it can be started.
func findLayout(o Options) (l *layout, changed bool, err error) {
	was, err := readLayout(o.Dir)
	if err != nil {
		return nil, false, err
	}
	if l, changed, err = was.fit(o); err != nil {
		return nil, false, err
	}
	l.old = was != nil
	if l.old && o.Degraded { // a server whose port is taken is found to be broken when it is started
		return l, changed, nil
	}
	if err := l.checkPorts(o); err != nil || l.old {
		return l, changed, err
	}
	return l, false, l.write(o.Dir)
}

// prepare makes what watches the nodes, when all nodes are known.
func (c *Cluster) prepare() {
	nodes := c.servers.all()
	c.lab.wire(nodes)
	c.faults = make(chan error, len(nodes))
	c.revival.logger, c.revival.revive = c.options.Logger, c.options.Revive
	c.revival.markRemoved = c.markRemoved
	c.revival.news = make(chan string, 4*len(nodes))
	if c.options.Degraded || c.options.Revive {
		c.revival.begin(nodes)
	}
}
