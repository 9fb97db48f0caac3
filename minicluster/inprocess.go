package minicluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/agency"
	"stasis/coordinator"
	"stasis/dbserver"
	"stasis/internal/bootclock"
	"stasis/internal/budget"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

// server is what the three kinds of servers have in common.
type server interface {
	Close(ctx context.Context) error
	Err() <-chan error
}

// inProcess is a server that runs in this process.
type inProcess struct {
	server server
	plug   *plug
	ended  chan struct{}
	quit   chan struct{} // closed to end the watcher
	watch  sync.WaitGroup
	fault  error // why it ended by itself; before ended is closed
}

// launcherInProcess starts servers of this cluster in this process.
func (c *Cluster) launcherInProcess(stores *agency.Stores) launcher {
	return func(ctx context.Context, n *node) (running, error) {
		p := newPlug(c.options.network(n.name))
		s, err := c.startServer(ctx, n, stores, p)
		if err != nil {
			p.sever()
			return nil, err
		}
		r := &inProcess{server: s, plug: p, ended: make(chan struct{}), quit: make(chan struct{})}
		r.watch.Go(func() {
			select {
			case r.fault = <-s.Err():
				close(r.ended) // first: who hears of it finds it ended
				n.ended(fmt.Errorf("%s has failed: %w", n.name, r.fault))
			case <-r.quit:
			}
		})
		return r, nil
	}
}

func (c *Cluster) startServer(ctx context.Context, n *node, stores *agency.Stores, net network.Network) (server, error) {
	o, logger := c.options, c.options.Logger.Named(n.name)
	switch n.role {
	case datadir.Agent:
		cfg := agency.Config{
			ID: n.id, Listen: n.address, Advertise: n.address, Peers: c.peers, Network: net, Browsers: o.Browsers, HTTP: o.limits(),
			Stores: stores, Logger: logger, Steps: o.Steps, Timing: o.Timing.Agency,
		}
		if stores == nil {
			cfg.Dir = c.dataDir(n.name)
		}
		return agency.Start(ctx, cfg)
	case datadir.DBServer:
		return dbserver.Start(ctx, dbserver.Config{
			Dir: c.dataDir(n.name), FS: o.fs(n.name), Listen: n.address, Advertise: n.address,
			Agency: c.agencyURLs(), Network: net, Browsers: o.Browsers, HTTP: o.limits(), Logger: logger, Steps: o.Steps, Timing: o.Timing.DBServer, Remotes: o.Remotes,
			Clock: o.clock(n.name),
		})
	default:
		return coordinator.Start(ctx, coordinator.Config{
			Dir: c.dataDir(n.name), FS: o.fs(n.name), Listen: n.address, Advertise: n.address,
			Agency: c.agencyURLs(), Network: net, Browsers: o.Browsers, HTTP: o.limits(), Logger: logger, Steps: o.Steps, Timing: o.Timing.Coordinator, WithoutLocks: o.WithoutLocks,
		})
	}
}

// limits are those of one of several servers in one process: each has its part of the
// memory, and keeps to it whatever the others do.
func (o Options) limits() network.Limits {
	l := o.HTTP
	if l.Budget == nil {
		l.Budget = budget.New(max(budget.Default()/int64(o.Agents+o.DBServers+o.Coordinators), leastBudget))
	}
	return l
}

// leastBudget is enough for the largest document.
const leastBudget = 64 << 20

// clock is what a DB server measures its lease by. A network that is replaced may be in a
// bubble with a time of its own, in which the system's clock has no place.
func (o Options) clock(name string) dbserver.Clock {
	switch {
	case o.Clock != nil:
		return o.Clock(name)
	case o.Network != nil:
		return dbserver.Clock{}
	}
	return dbserver.Clock{Elapsed: bootclock.Elapsed}
}

// fs is the disk of a node.
func (o Options) fs(name string) vfs.FS {
	if o.FS == nil {
		return vfs.Default
	}
	return o.FS(name)
}

// dataDir is where a node keeps its data.
func (c *Cluster) dataDir(name string) string { return filepath.Join(c.options.Dir, name) }

func (r *inProcess) pid() int              { return 0 }
func (r *inProcess) done() <-chan struct{} { return r.ended }
func (r *inProcess) failure() error        { return r.fault }
func (r *inProcess) asked() bool           { return false } // what ends by itself here has failed

func (r *inProcess) stop(ctx context.Context) error {
	r.unwatch()
	err := r.server.Close(ctx)
	r.plug.sever() // what a server leaves open must not survive it
	return errors.Join(r.fault, err)
}

// kill pulls the network first, so that nothing the server still does is seen by
// anybody, and then closes it without time to finish requests. Other than a
// process that is killed it syncs its files at the end; to lose what was not
// synced, kill a process, or replace the disk by a clone after a crash.
func (r *inProcess) kill() {
	r.unwatch() // it will say that its listener has failed
	r.plug.sever()
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errKilled)
	_ = r.server.Close(ctx) // what a dead server complains of is nobody's concern
}

// errNotPaused: what runs in this process cannot be stopped alone. A network in memory
// can freeze its host (fault.Network.Freeze), which hides all that it does.
var errNotPaused = errors.New("only a process of its own can be paused: freeze its host in the network in memory")

func (r *inProcess) pause() error  { return errNotPaused }
func (r *inProcess) resume() error { return errNotPaused }

// unwatch ends the watcher: from now on nothing the server says is reported.
func (r *inProcess) unwatch() {
	close(r.quit)
	r.watch.Wait()
}
