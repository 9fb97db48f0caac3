package minicluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"stasis/agency"
	"stasis/coordinator"
	"stasis/dbserver"
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
	kills  *killSwitch
	thaw   func() // takes the faults of its disk back: with a disk that hangs the server could not be closed
	ended  chan struct{}
	quit   chan struct{} // closed to end the watcher
	watch  sync.WaitGroup
	fault  error // why it ended by itself; set before ended is closed
}

// launchInProcess starts a node as a server of this process.
func (s *setup) launchInProcess(ctx context.Context, n *node) (running, error) {
	kills := newKillSwitch(s.host(n.name))
	server, err := s.startServer(ctx, n, kills)
	if err != nil {
		kills.trip()
		return nil, err
	}
	r := &inProcess{server: server, kills: kills, thaw: func() { s.here.thaw(n.name) }, ended: make(chan struct{}), quit: make(chan struct{})}
	r.watch.Go(func() {
		select {
		case r.fault = <-server.Err():
			close(r.ended) // before the report, so that its receiver finds it ended
			n.ended(fmt.Errorf("%s has failed: %w", n.name, r.fault))
		case <-r.quit:
		}
	})
	return r, nil
}

func (s *setup) startServer(ctx context.Context, n *node, net network.Network) (server, error) {
	o, logger := s.options, s.options.Logger.Named(n.name)
	seams, limits := o.Seams, s.limits()
	browsers, err := o.Pages.browsers()
	if err != nil {
		return nil, err
	}
	switch n.role {
	case datadir.Agent:
		return agency.Start(ctx, agency.Config{
			ID: n.id, Name: n.name, PID: s.pid(), Listen: n.at.address, Advertise: n.at.address, Peers: s.servers.peers(), Network: net, Browsers: browsers, HTTP: limits,
			Dir: s.dataDir(n.name), FS: s.disk(n.name), Logger: logger, Steps: s.steps(), Wall: s.wall(n.name),
			Timing: agency.Timing{Grace: o.Timing.Grace, LeaderGrace: o.Timing.LeaderGrace, DiskTimeout: o.Timing.DiskTimeout},
		})
	case datadir.DBServer:
		return dbserver.Start(ctx, dbserver.Config{
			Dir: s.dataDir(n.name), Name: n.name, PID: s.pid(), FS: s.fs(n.name), Listen: n.at.address, Advertise: n.at.address,
			Agency: s.servers.agencyURLs(), Network: net, Browsers: browsers, HTTP: limits, Logger: logger, Steps: s.steps(), Remotes: seams.Remotes,
			Clock: seams.clock(n.name), Wall: s.wall(n.name),
		})
	default:
		return coordinator.Start(ctx, coordinator.Config{
			Dir: s.dataDir(n.name), Name: n.name, PID: s.pid(), FS: s.fs(n.name), Listen: n.at.address, Advertise: n.at.address,
			Agency: s.servers.agencyURLs(), Network: net, Browsers: browsers, HTTP: limits, Logger: logger, Steps: s.steps(), Wall: s.wall(n.name),
			SigningKey: s.key,
		})
	}
}

// leastBudget is enough for the largest document.
const leastBudget = 64 << 20

// limits are those of one of several servers in one process: each has its part of the
// memory, and keeps to it whatever the others do.
func (s *setup) limits() network.Limits {
	return network.Limits{Budget: budget.New(max(budget.Default()/int64(len(s.servers.all())), leastBudget))}
}

func (r *inProcess) pid() int              { return 0 }
func (r *inProcess) done() <-chan struct{} { return r.ended }
func (r *inProcess) failure() error        { return r.fault }
func (r *inProcess) asked() bool           { return false } // a server that ends by itself here has failed

func (r *inProcess) stop(ctx context.Context) error {
	r.unwatch()
	r.thaw()
	err := r.server.Close(ctx)
	r.kills.trip() // what a server leaves open must not survive it
	return errors.Join(r.fault, err)
}

// kill cuts the server off from the network first, so that nothing that it still does is seen,
// and then closes it without time to finish requests. Unlike a process that is killed, it syncs
// its files at the end. To lose what was not synced, kill a process, or crash a fault.Disk.
func (r *inProcess) kill() {
	r.unwatch() // it will report that its listener has failed
	r.kills.trip()
	r.thaw()
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errKilled)
	_ = r.server.Close(ctx) // its errors come of the kill
}

// errNotPaused: a server that runs in this process cannot be stopped alone. Freezing its host in a fault.Network
// hides all that it does.
var errNotPaused = errors.New("only a process of its own can be paused, and this server runs in one with the others: start the cluster in mode processes, or freeze its host in a fault.Network")

func (r *inProcess) pause() error  { return errNotPaused }
func (r *inProcess) resume() error { return errNotPaused }
func (r *inProcess) paused() bool  { return false }

// unwatch ends the watcher: from now on the end of the server is not reported.
func (r *inProcess) unwatch() {
	close(r.quit)
	r.watch.Wait()
}
