package agency

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/api"
	"stasis/agency/fence"
	"stasis/agency/joining"
	"stasis/agency/leadership"
	"stasis/agency/learner"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/port"
	"stasis/agency/proposer"
	"stasis/agency/quota"
	"stasis/agency/raftnode"
	"stasis/agency/readindex"
	"stasis/agency/recovery"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/internal/network"
)

// Agent is a running agent. Its methods may be called from any goroutine.
type Agent struct {
	id        string
	advertise string // host:port
	logger    hclog.Logger
	timing    Timing
	life      *life

	disk    *store.Store
	port    *port.Port
	tree    *tree.Replica
	quota   *quota.Quota
	fence   *fence.Fence
	learner *learner.Learner
	origins *origin.Origins
	node    *raftnode.Node

	leadership *leadership.Keeper
	proposer   *proposer.Proposer
	reader     *readindex.Reader
	members    *member.Members
	api        *api.API
	server     *network.Server
}

// Start opens the data directory, joins the peers and serves. ctx bounds the start only. The agent
// runs until Close, or until it stops by itself (Err).
func Start(ctx context.Context, c Config) (*Agent, error) {
	c = c.withDefaults()
	if err := errors.Join(ctx.Err(), c.check()); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	logger := c.Logger.Named("agent")
	disk, err := store.Open(store.Config{ID: c.ID, Dir: c.Dir, Memory: c.Stores, LogStore: c.LogStore, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	logger = logger.With("id", disk.ID)
	listener, err := c.Network.Listen(c.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.ID, err), disk.Close())
	}
	a, err := newAgent(&c, disk, listener, logger)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.ID, err), listener.Close(), disk.Close())
	}
	status := &origin.Status{}
	guard := origin.NewGuard(a.origins, status, a.node.Voters, a.life.mustStop, logger)
	if err := a.startRaft(c, guard); err != nil {
		a.life.stop()
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.ID, err), a.port.Close(), disk.Close())
	}
	founder := a.founder(c)
	a.serve(c, status, founder)
	joiner := joining.New(a.node.Raft, joining.Options{
		Self: a.id, Advertise: a.advertise, Join: c.Join, Network: c.Network, Heartbeat: c.Timing.Heartbeat, Election: c.Timing.Election,
		Members: a.members, Learner: a.learner, Origins: a.origins, Guard: guard, Status: status, Founder: founder, Disk: disk,
		Leads: a.leadership.Leads, Logger: logger,
	})
	a.life.joining.Go(func() { joiner.Run(a.life.running) })
	logger.Info("agent started", "address", a.advertise, "peers", len(c.Peers))
	return a, nil
}

// newAgent puts the parts together that do not need Raft, and completes the configuration. Only
// the port runs yet.
func newAgent(c *Config, d *store.Store, l net.Listener, logger hclog.Logger) (*Agent, error) {
	pristine, err := d.Pristine()
	if err == nil {
		err = recovery.RefuseUnfinished(d.Notes)
	}
	if err != nil {
		return nil, err
	}
	origins, err := origin.Open(d.Notes, pristine)
	if err != nil {
		return nil, err
	}
	a := &Agent{id: d.ID, advertise: c.Advertise, logger: logger, timing: c.Timing, life: newLife(), disk: d, origins: origins}
	if a.advertise == "" {
		a.advertise = c.Peers[a.id]
	}
	if a.advertise == "" {
		a.advertise = l.Addr().String()
	}
	c.Peers = maps.Clone(c.Peers)
	if len(c.Peers) == 0 {
		c.Peers = map[string]string{a.id: a.advertise}
	}
	known := maps.Clone(c.Peers)
	known[a.id] = a.advertise
	a.port = port.New(c.Network, l)
	a.fence = fence.New()
	a.learner = learner.New(d.Notes, c.Timing.Heartbeat)
	book := addressbook.New(a.id, known)
	a.quota = quota.New(c.TreeQuota)
	compaction := tree.NewCompaction(tree.Limits{
		SnapshotBytes: c.Timing.SnapshotBytes, TrailingBytes: c.Timing.TrailingBytes, TrailingEntries: c.Timing.TrailingLogs,
	})
	a.tree = tree.New(tree.Config{
		KeepLog: c.Timing.KeepLog, Quota: a.quota, Compaction: compaction, Members: book.Learn,
		Halt: func(err error) { a.life.fatal <- d.Untrusted(err) },
	})
	a.node = a.newNode(c.Timing, book, compaction)
	return a, nil
}

// ID is the agent's id.
func (a *Agent) ID() string { return a.id }

// Addr is the advertised "host:port".
func (a *Agent) Addr() string { return a.advertise }

// URL is the advertised "http://host:port".
func (a *Agent) URL() string { return "http://" + a.advertise }

// IsLeader tells whether this agent serves as leader now. It is a hint: only a read confirms it.
func (a *Agent) IsLeader() bool { return a.leadership.Leads() }

// Err delivers the error that stopped the agent by itself, if one does. Close is still to be
// called.
func (a *Agent) Err() <-chan error { return a.life.failed }

// Close hands leadership over if it can, then stops everything. ctx bounds the polite part:
// requests in flight may end, leadership may be handed over. With a ctx that has ended already,
// Close is as abrupt as it can be. When it returns, no goroutine of the agent runs and the
// directory is free.
func (a *Agent) Close(ctx context.Context) error {
	a.life.closing.Do(func() { a.life.closed = a.shutdown(ctx) })
	return a.life.closed
}

func (a *Agent) shutdown(ctx context.Context) error {
	a.life.stop()
	a.life.joining.Wait()
	// What is in flight ends by itself: by its commit, or because a leader without a majority
	// steps down within its lease. Raft may forget to answer what is in flight when it stops.
	a.awaitInFlight(2*a.timing.Heartbeat + 2*a.timing.Election)
	a.handOver(ctx)
	var errs []error
	a.api.Close()
	if err := a.server.Shutdown(ctx); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, a.node.Stop())
	a.life.watcher.Wait()
	a.leadership.Wait()
	a.life.workers.Wait()
	a.node.Waiter.Close()
	errs = append(errs, a.disk.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop agent %s: %w", a.id, err)
	}
	a.logger.Info("agent stopped")
	return nil
}

// awaitInFlight waits at most d for what waits for an answer of Raft: the proposer, and a
// leadership that is about to serve.
func (a *Agent) awaitInFlight(d time.Duration) {
	ended := make(chan struct{})
	a.life.watcher.Go(func() {
		a.life.workers.Wait()
		a.leadership.Rest()
		close(ended)
	})
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// handOver gives leadership to another agent, if this one has it and ctx allows.
func (a *Agent) handOver(ctx context.Context) {
	if _, others := a.members.Others(); ctx.Err() != nil || others == 0 || a.node.Raft.State() != raft.Leader {
		return
	}
	done := make(chan struct{})
	a.life.watcher.Go(func() {
		defer close(done)
		if err := a.node.Raft.LeadershipTransfer().Error(); err != nil {
			a.logger.Info("leadership not handed over", "reason", err)
		}
	})
	timer := time.NewTimer(2 * a.timing.Election)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}
