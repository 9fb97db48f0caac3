package agency

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/fence"
	"stasis/agency/founding"
	"stasis/agency/learner"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/port"
	"stasis/agency/raftcall"
	"stasis/agency/readindex"
	"stasis/agency/store"
	"stasis/agency/transport"
	"stasis/agency/validation"
)

// node is Raft, and what reaches other agents.
type node struct {
	raft       *raft.Raft
	started    atomic.Pointer[raft.Raft] // the same: calls of other agents come before it is there
	transport  *transport.Transport
	acks       *readindex.Acks
	book       *addressbook.Book
	fence      *fence.Fence
	complaints *complaints
	log        *raftLog
	waiter     *raftcall.Waiter
	settings   sync.Mutex // held while some of Raft's are changed
	quitting   sync.Once
	quit       raft.Future   // of Raft's shutdown
	gone       chan struct{} // closed when Raft has stopped
}

func newNode(b *addressbook.Book, f *fence.Fence, logger hclog.Logger) *node {
	n := &node{acks: readindex.NewAcks(), book: b, fence: f, complaints: &complaints{logger: logger}, gone: make(chan struct{})}
	n.log = &raftLog{Logger: logger.Named("raft"), fence: f, complain: n.complaints.tell}
	return n
}

const (
	raftPool    = 3                // idle Raft connections kept per peer
	raftTimeout = 10 * time.Second // for the bytes of one Raft call to move
	raftEntries = 16               // Raft entries in one call; each may be several MiB
)

// startRaft starts Raft, and what works with it.
func (a *Agent) startRaft(c Config, guard *origin.Guard) error {
	n := a.node
	stream := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                a.port.Streams(a.streams(guard)),
		ServerAddressProvider: n.book,
		MaxPool:               raftPool,
		Timeout:               raftTimeout,
		// One call to a peer at a time. Raft's pipeline hangs for good when an answer refuses its
		// entries while another call is being sent: the goroutine that reads the answers has
		// ended, and the sender waits for it.
		MaxRPCsInFlight: 1,
		Logger:          n.log,
	})
	received := &arrivals{calls: validation.Calls{MaxEntry: a.disk.MaxEntry, Decoded: a.tree.Received}, fence: a.fence, complain: n.complaints.tell}
	n.transport = transport.New(stream, transport.Options{
		Acks: n.acks, Book: n.book, Fence: a.fence, MayVote: a.learner.MayVote, Follows: n.follows, Done: n.gone,
		Inbound: func(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
			return a.learner.Filter(received.sift(from, done), done)
		},
		Index: func() uint64 { return a.tree.State().Index() },
	})
	a.compaction.Shorten = func(entries uint64) { n.keepTrailing(entries, a.logger) }
	notices := make(chan bool)
	config := a.raftConfig(n.log, notices)
	err := a.begin(c, config)
	if err == nil {
		n.raft, err = raft.NewRaft(config, a.tree, a.disk.Log, a.disk.Stable, a.disk.Snapshots, n.transport)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start Raft: %w", err), stream.Close())
	}
	n.started.Store(n.raft)
	n.waiter = raftcall.New(a.life.running, a.fence, a.timing.Write)
	for _, s := range member.Configuration(n.raft).Servers {
		n.book.Add(string(s.ID), string(s.Address))
	}
	a.lead(c)
	a.life.watcher.Go(func() { a.watch(notices) })
	a.life.workers.Go(func() { a.proposer.Run(a.life.running) })
	a.life.workers.Go(a.reader.Run)
	a.life.workers.Go(a.keepSmall)
	return nil
}

// streams says what Raft's streams need of this agent.
func (a *Agent) streams(guard *origin.Guard) port.Config {
	return port.Config{
		Self: a.id, Advertise: a.advertise, Origin: a.origins.Origin, Leads: a.node.leads, Meet: guard.Meet,
		Greet:       func(h port.Hello) error { return guard.Greet(h.From, h.Origin, h.Leads) },
		Unreachable: a.node.book.Failed, DiskRate: store.LeastRate,
		Complain: func(what string, err error) {
			if !errors.Is(err, origin.ErrStranger) && !errors.Is(err, learner.ErrLearner) { // Meet tells of strangers
				a.node.complaints.tell(what, err)
			}
		},
	}
}

// leads tells whether Raft takes this agent for the leader.
func (n *node) leads() bool {
	r := n.started.Load()
	return r != nil && r.State() == raft.Leader
}

// follows tells whether Raft follows a leader of this term already.
func (n *node) follows(term uint64) bool {
	r := n.started.Load()
	return r != nil && r.State() == raft.Follower && r.CurrentTerm() == term
}

// voters are the ids of the agency's voters, none before Raft runs.
func (n *node) voters() []string {
	r := n.started.Load()
	if r == nil {
		return nil
	}
	return member.Voters(member.Configuration(r))
}

// leader is the id and the "host:port" of the agent that leads as far as this one knows; self if
// it is this one; empty if none is known.
func (n *node) leader() (id, address string) {
	if n.fence.Hang() != nil {
		return "", "" // it hears of no leader, and does not lead
	}
	raftAddress, raftID := n.raft.LeaderWithID()
	if raftID == "" {
		return "", ""
	}
	_, address = addressbook.SplitTarget(string(raftAddress)) // as the leader itself tells it
	if address == "" {
		address = n.book.Of(string(raftID), "")
	}
	return string(raftID), address
}

// begin founds an agency of one, finishes a founding that was decided, and makes a learner of an
// agent that starts with nothing among others.
func (a *Agent) begin(c Config, config *raft.Config) error {
	pristine, err := a.disk.Pristine()
	if err != nil {
		return err
	}
	mine := a.origins.Part()
	switch {
	case pristine && len(mine.Seeds) > 0: // died in the founding, which had been decided
		_, err := a.learner.Load() // another founder ends it
		return errors.Join(err, a.disk.Bootstrap(config, a.node.transport, member.First(mine.Members)))
	case pristine && (len(c.Join) > 0 || len(c.Peers) > 1):
		// A leader that called it has given it nothing yet.
		if err := a.origins.Forget(); err != nil {
			return err
		}
		if err := a.learner.Begin(); err != nil {
			return fmt.Errorf("begin as a learner: %w", err)
		}
	case pristine:
		if err := a.origins.Become(founding.Alone(a.id, c.Peers)); err != nil {
			return err
		}
		return a.disk.Bootstrap(config, a.node.transport, member.First(c.Peers))
	default:
		_, err := a.learner.Load()
		last, lerr := a.disk.Log.LastIndex()
		a.tree.MembersAfter(last)
		return errors.Join(err, lerr)
	}
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
	c.ShutdownOnRemove = false // an agent that was removed still answers, and may be added again
	return c
}

// reconfigure changes Raft's settings: one at a time, for they are read and written.
func (n *node) reconfigure(change func(*raft.ReloadableConfig)) error {
	n.settings.Lock()
	defer n.settings.Unlock()
	r := n.started.Load()
	if r == nil {
		return nil // it starts with the settings that are configured
	}
	c := r.ReloadableConfig()
	change(&c)
	if err := r.ReloadConfig(c); err != nil {
		return fmt.Errorf("change Raft's settings: %w", err)
	}
	return nil
}

// keepTrailing tells Raft how many entries stay after the snapshot that has begun.
func (n *node) keepTrailing(entries uint64, logger hclog.Logger) {
	if err := n.reconfigure(func(c *raft.ReloadableConfig) { c.TrailingLogs = entries }); err != nil {
		logger.Error("Raft's log may stay longer than it should", "error", err)
	}
}

// beginQuit tells Raft to stop, once. It may be called from Raft's own goroutines.
func (n *node) beginQuit() { n.quitting.Do(func() { n.quit = n.raft.Shutdown() }) }

// close stops Raft and everything it has started, its connections first, so that no call of it
// waits for an answer.
func (n *node) close(p *port.Port) error {
	n.log.ended.Store(true)
	n.beginQuit()
	err := errors.Join(n.transport.Close(), p.Close(), n.quit.Error())
	p.Wait()
	n.fence.Wait()
	return err
}
