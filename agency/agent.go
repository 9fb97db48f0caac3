package agency

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/answer"
	"stasis/agency/asyncjob"
	"stasis/agency/fence"
	"stasis/agency/keys"
	"stasis/agency/port"
	"stasis/agency/quota"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/event"
	"stasis/internal/network"
)

// Agent is a running agent. Its methods may be called from any goroutine.
type Agent struct {
	identity
	logger hclog.Logger
	steps  event.Sink
	timing Timing

	node
	leading
	running context.Context    // ends when Close begins, or the node has to stop
	stop    context.CancelFunc // ends running
	server  *network.Server
	jobs    *asyncjob.Jobs
	polls   pollCache
	queues  *answer.Queues
	failed  chan error // what stopped the node by itself
	closing sync.Once
	closed  error // what Close returns
}

// identity is who the agent is.
type identity struct {
	id        string
	advertise string            // host:port
	peers     map[string]string // id → host:port
}

// leading is what an agent does while Raft says it leads.
type leading struct {
	current  atomic.Pointer[office]
	proposer *proposer
	rounds   *rounds
	officers sync.WaitGroup // goroutines that hold an office
	workers  sync.WaitGroup // proposer and rounds
	watcher  sync.WaitGroup
	arriving sync.WaitGroup // who brings the agent to its place
}

// Start opens the stores, joins the peers and serves. On pristine stores it
// bootstraps Raft with the full list of peers. ctx bounds the start only.
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
	a, err := newAgent(c, disk, listener, logger)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.ID, err), listener.Close(), disk.Close())
	}
	if err := a.join(); err != nil {
		a.stop()
		close(a.raftGone) // it never came
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.ID, err), a.port.Close(), disk.Close())
	}
	a.serve(c)
	a.arriving.Go(func() { a.arrive(c.Join) })
	logger.Info("agent started", "address", a.advertise, "peers", len(a.peers))
	return a, nil
}

// newAgent puts the parts together; nothing but the sorting of connections runs yet.
func newAgent(c Config, d *store.Store, l net.Listener, logger hclog.Logger) (*Agent, error) {
	place, err := newPlace(c, d)
	if err != nil {
		return nil, err
	}
	a := &Agent{logger: logger, steps: c.Steps, timing: c.Timing, failed: make(chan error, 1)}
	a.identity = identity{id: d.ID, advertise: c.Advertise, peers: maps.Clone(c.Peers)}
	if a.advertise == "" {
		a.advertise = a.peers[a.id]
	}
	if a.advertise == "" {
		a.advertise = l.Addr().String()
	}
	if len(a.peers) == 0 {
		a.peers = map[string]string{a.id: a.advertise}
	}
	a.running, a.stop = context.WithCancel(context.Background())
	a.fatal, a.raftGone = make(chan error, 1), make(chan struct{})
	a.disk, a.port, a.place = d, port.New(c.Network, l), place
	known := maps.Clone(a.peers)
	known[a.id] = a.advertise
	a.book = addressbook.New(a.id, known)
	a.probation = &probation{begun: time.Now(), settle: c.Timing.Heartbeat, trials: make(chan struct{}, 1)}
	a.fence = fence.New()
	a.complaints = &complaints{logger: logger}
	a.quota = quota.New(c.TreeQuota)
	a.compaction = tree.NewCompaction(tree.Limits{
		SnapshotBytes: c.Timing.SnapshotBytes, TrailingBytes: c.Timing.TrailingBytes, TrailingEntries: c.Timing.TrailingLogs,
	})
	a.tree = tree.New(tree.Config{
		KeepLog: c.Timing.KeepLog, Quota: a.quota, Compaction: a.compaction, Members: a.book.Learn,
		Halt: func(err error) { a.fatal <- d.Untrusted(err) },
	})
	a.queues = answer.NewQueues(a.tree.Removed, c.TreeQuota/2)
	a.proposer, a.rounds = newProposer(), newRounds()
	a.proposer.applied = func(id string) bool { return a.tree.State().Inquire(id) != 0 }
	return a, nil
}

// newPlace finds out where the agent belongs.
func newPlace(c Config, d *store.Store) (place, error) {
	pristine, err := d.Pristine()
	if err != nil {
		return place{}, err
	}
	if err := refuseUnfinished(d.Notes); err != nil {
		return place{}, err
	}
	origins, err := openOrigins(d.Notes, pristine)
	return place{
		origins: origins, joins: len(c.Join) > 0, bootstrap: c.Bootstrap,
		strangers: &strangers{met: map[string]keys.Origin{}, told: map[string]keys.Origin{}}, standing: &standing{},
	}, err
}

func (a *Agent) serve(c Config) {
	a.jobs = asyncjob.New(c.HTTP.Budget)
	maxBody := c.MaxBodyBytes
	if bound := a.disk.MaxBody; bound > 0 {
		maxBody = min(maxBody, bound)
	}
	a.server = network.ServeListener(a.port.HTTP(), newAPI(a, maxBody, c.HTTP), network.ServerOptions{
		Logger: a.logger.Named("http"), Advertise: a.advertise, Names: []string{c.Listen, a.peers[a.id]}, Browsers: c.Browsers, Limits: c.HTTP,
		Class: classOf,
	})
	a.watcher.Go(func() {
		select {
		case err := <-a.server.Err():
			a.report(err)
		case <-a.raftGone:
		}
	})
}

// ID is the agent's id.
func (a *Agent) ID() string { return a.id }

// Addr is the advertised "host:port".
func (a *Agent) Addr() string { return a.advertise }

// URL is the advertised "http://host:port".
func (a *Agent) URL() string { return "http://" + a.advertise }

// IsLeader says whether this agent serves as leader now. It is a hint: only a
// read confirms it.
func (a *Agent) IsLeader() bool {
	o := a.current.Load()
	if o == nil || a.raft.State() != raft.Leader || o.held.Err() != nil {
		return false
	}
	select {
	case <-o.ready:
		return true
	default:
		return false
	}
}

// Err delivers the error that stopped the agent by itself, if one does. Close is
// still to be called.
func (a *Agent) Err() <-chan error { return a.failed }

func (a *Agent) report(err error) {
	select {
	case a.failed <- err:
	default: // the first one is the one to tell
	}
}

// leaderAddress is the "host:port" of the agent that leads as far as this one
// knows; self if it is this one; empty if none is known.
func (a *Agent) leader() (id, address string) {
	if a.fence.Hang() != nil {
		return "", "" // it hears of no leader, and does not lead
	}
	raftAddress, raftID := a.raft.LeaderWithID()
	if raftID == "" {
		return "", ""
	}
	_, address = addressbook.SplitTarget(string(raftAddress)) // as the leader itself tells it
	if address == "" {
		address = a.book.Of(string(raftID), "")
	}
	return string(raftID), address
}

// Close hands leadership over if it can, then stops everything. ctx bounds the
// polite part: what is on its way may end, the leadership may be handed over;
// with a ctx that has ended already, Close is as abrupt as it can be. When it
// returns, no goroutine of the agent runs and the directory is free.
func (a *Agent) Close(ctx context.Context) error {
	a.closing.Do(func() { a.closed = a.shutdown(ctx) })
	return a.closed
}

func (a *Agent) shutdown(ctx context.Context) error {
	a.stop()
	a.arriving.Wait()
	// What is on its way ends by itself: by its commit, or because a leader
	// without majority steps down within its lease. Raft may forget to answer
	// what is still on its way when it stops.
	a.settle(2*a.timing.Heartbeat + 2*a.timing.Election)
	a.handOver(ctx)
	var errs []error
	a.jobs.Close()
	if err := a.server.Shutdown(ctx); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, a.quitRaft())
	close(a.raftGone)
	a.watcher.Wait()
	a.officers.Wait()
	a.workers.Wait()
	a.asked.Wait()
	errs = append(errs, a.disk.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop agent %s: %w", a.id, err)
	}
	a.logger.Info("agent stopped")
	return nil
}

// settle waits at most d for what waits for an answer of Raft: the proposer, and
// a leader that is about to serve.
func (a *Agent) settle(d time.Duration) {
	ended := make(chan struct{})
	a.watcher.Go(func() {
		a.workers.Wait()
		if o := a.current.Load(); o != nil {
			<-o.done
		}
		close(ended)
	})
	pause(ended, d)
}

// handOver gives leadership to another agent, if this one has it and ctx allows.
func (a *Agent) handOver(ctx context.Context) {
	if _, others := a.others(); ctx.Err() != nil || others == 0 || a.raft.State() != raft.Leader {
		return
	}
	done := make(chan struct{})
	a.watcher.Go(func() {
		defer close(done)
		if err := a.raft.LeadershipTransfer().Error(); err != nil {
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
