package agency

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/internal/network"
	"stasis/internal/step"
)

// Agent is a running agent. Its methods may be called from any goroutine.
type Agent struct {
	identity
	logger hclog.Logger
	steps  step.Sink
	timing Timing

	node
	leading
	running context.Context    // ends when Close begins, or the node has to stop
	stop    context.CancelFunc // ends running
	server  *network.Server
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

// node is the Raft side of an agent.
type node struct {
	raft     *raft.Raft
	disk     *disk
	mux      *mux
	acks     *ackTransport
	machine  *machine
	fatal    chan error // from the machine: the node must stop
	quitting sync.Once
	quit     raft.Future   // of Raft's shutdown
	raftGone chan struct{} // closed when Raft has stopped
}

// leading is what an agent does while Raft says it leads.
type leading struct {
	current  atomic.Pointer[office]
	proposer *proposer
	rounds   *rounds
	officers sync.WaitGroup // goroutines that hold an office
	workers  sync.WaitGroup // proposer and rounds
	watcher  sync.WaitGroup
}

const (
	raftPool    = 3                // idle Raft connections kept per peer
	raftTimeout = 10 * time.Second // for the bytes of one Raft call to move
	raftEntries = 16               // Raft entries in one call; each may be several MiB
)

// Start opens the stores, joins the peers and serves. On pristine stores it
// bootstraps Raft with the full list of peers. ctx bounds the start only.
func Start(ctx context.Context, c Config) (*Agent, error) {
	c = c.withDefaults()
	if err := errors.Join(ctx.Err(), c.check()); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	logger := c.Logger.Named("agent")
	disk, err := openDisk(c, logger)
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	logger = logger.With("id", disk.id)
	listener, err := c.Network.Listen(c.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.id, err), disk.close())
	}
	a := newAgent(c, disk, listener, logger)
	if err := a.join(); err != nil {
		a.stop()
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.id, err), a.mux.close(), disk.close())
	}
	a.serve(c)
	logger.Info("agent started", "address", a.advertise, "peers", len(a.peers))
	return a, nil
}

// newAgent puts the parts together; nothing but the sorting of connections runs yet.
func newAgent(c Config, d *disk, l net.Listener, logger hclog.Logger) *Agent {
	a := &Agent{logger: logger, steps: c.Steps, timing: c.Timing, failed: make(chan error, 1)}
	a.identity = identity{id: d.id, advertise: c.Advertise, peers: maps.Clone(c.Peers)}
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
	a.disk, a.mux = d, newMux(c.Network, l)
	a.machine = newMachine(c.Timing.KeepLog, func(err error) { a.fatal <- err })
	a.proposer, a.rounds = newProposer(), newRounds()
	return a
}

// join starts Raft.
func (a *Agent) join() error {
	logger := a.logger.Named("raft")
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                &raftStream{lane: a.mux.raft, mux: a.mux, advertise: namedAddr(a.advertise)},
		ServerAddressProvider: addressBook(a.peers),
		MaxPool:               raftPool,
		Timeout:               raftTimeout,
		Logger:                logger,
	})
	a.acks = newAckTransport(transport, func() uint64 { return a.machine.state().Index() })
	notices := make(chan bool)
	config := a.raftConfig(logger, notices)
	err := a.disk.bootstrap(config, a.acks, a.firstMembers())
	if err == nil {
		a.raft, err = raft.NewRaft(config, a.machine, a.disk.log, a.disk.stable, a.disk.shots, a.acks)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start Raft: %w", err), transport.Close())
	}
	a.watcher.Go(func() { a.watchLeadership(notices) })
	a.workers.Go(func() { a.proposer.run(a.running, a.raftPropose) })
	a.workers.Go(func() { a.rounds.run(a.running, a.confirm) })
	return nil
}

func (a *Agent) raftConfig(logger hclog.Logger, notices chan<- bool) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(a.id)
	c.Logger = logger
	c.NotifyCh = notices
	c.HeartbeatTimeout = a.timing.Heartbeat
	c.ElectionTimeout = a.timing.Election
	c.LeaderLeaseTimeout = a.timing.Lease
	c.MaxAppendEntries = raftEntries
	c.SnapshotInterval = a.timing.SnapshotInterval
	c.SnapshotThreshold = a.timing.SnapshotThreshold
	c.TrailingLogs = a.timing.TrailingLogs
	c.NoLegacyTelemetry = true
	return c
}

// firstMembers is the Raft configuration of a pristine agency: the same on every
// agent.
func (a *Agent) firstMembers() raft.Configuration {
	var members raft.Configuration
	for _, id := range slices.Sorted(maps.Keys(a.peers)) {
		members.Servers = append(members.Servers, raft.Server{
			Suffrage: raft.Voter,
			ID:       raft.ServerID(id),
			Address:  raft.ServerAddress(a.peers[id]),
		})
	}
	return members
}

func (a *Agent) serve(c Config) {
	a.server = network.ServeListener(a.mux.http, newAPI(a, c.MaxBodyBytes), network.ServerOptions{Logger: a.logger.Named("http")})
	a.watcher.Go(func() {
		select {
		case err := <-a.server.Err():
			a.report(err)
		case <-a.raftGone:
		}
	})
}

// addressBook finds agents by id, whatever address Raft's log has for them.
type addressBook map[string]string

// ServerAddr is the present address of an agent.
func (b addressBook) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if address, ok := b[string(id)]; ok {
		return raft.ServerAddress(address), nil
	}
	return "", fmt.Errorf("agent %s is not among the peers", id)
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
	raftAddress, raftID := a.raft.LeaderWithID()
	if raftID == "" {
		return "", ""
	}
	if known, ok := a.peers[string(raftID)]; ok {
		return string(raftID), known
	}
	return string(raftID), string(raftAddress)
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
	// What is on its way ends by itself: by its commit, or because a leader
	// without majority steps down within its lease. Raft may forget to answer
	// what is still on its way when it stops.
	a.settle(2*a.timing.Heartbeat + 2*a.timing.Election)
	a.handOver(ctx)
	var errs []error
	if err := a.server.Shutdown(ctx); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, a.quitRaft())
	close(a.raftGone)
	a.watcher.Wait()
	a.officers.Wait()
	a.workers.Wait()
	errs = append(errs, a.disk.close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop agent %s: %w", a.id, err)
	}
	a.logger.Info("agent stopped")
	return nil
}

// beginQuit tells Raft to stop, once; it may be called from Raft's own goroutines.
func (a *Agent) beginQuit() {
	a.quitting.Do(func() { a.quit = a.raft.Shutdown() })
}

// quitRaft stops Raft and everything it has started, its connections first, so
// that no call of it waits for an answer.
func (a *Agent) quitRaft() error {
	a.beginQuit()
	return errors.Join(a.acks.Close(), a.mux.close(), a.quit.Error())
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
