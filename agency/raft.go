package agency

import (
	"errors"
	"fmt"
	"stasis/agency/founding"
	"stasis/agency/learner"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/port"
	"stasis/agency/raftcall"
	"stasis/agency/store"
	"stasis/agency/transport"
	"stasis/agency/validation"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

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
