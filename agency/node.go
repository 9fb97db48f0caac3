package agency

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/fence"
	"stasis/agency/port"
	"stasis/agency/quota"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/agency/validation"
)

// node is the Raft side of an agent.
type node struct {
	raft       *raft.Raft
	disk       *store.Store
	port       *port.Port
	acks       *ackTransport
	tree       *tree.Replica
	quota      *quota.Quota
	compaction *tree.Compaction
	book       *addressbook.Book
	probation  *probation
	fence      *fence.Fence
	complaints *complaints
	asked      sync.WaitGroup // who waits for Raft's answer to a change of the membership
	log        *raftLog
	fatal      chan error // from the tree: the node must stop
	quitting   sync.Once
	quit       raft.Future   // of Raft's shutdown
	raftGone   chan struct{} // closed when Raft has stopped
	joined     atomic.Bool   // raft is there
	settings   sync.Mutex    // held while some of Raft's are changed
	place
}

// place is where the agent belongs.
type place struct {
	origins   *origins
	strangers *strangers
	standing  *standing
	joins     bool // it was told to join an agency
	bootstrap bool // it was told to found one without those that are silent
}

const (
	raftPool    = 3                // idle Raft connections kept per peer
	raftTimeout = 10 * time.Second // for the bytes of one Raft call to move
	raftEntries = 16               // Raft entries in one call; each may be several MiB
)

// join starts Raft.
func (a *Agent) join() error {
	a.log = &raftLog{Logger: a.logger.Named("raft"), fence: a.fence, complain: a.complaints.tell}
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                a.port.Streams(a.streams()),
		ServerAddressProvider: a.book,
		MaxPool:               raftPool,
		Timeout:               raftTimeout,
		// One call to a peer at a time. Raft's pipeline hangs for good when an
		// answer refuses its entries while another call is being sent: who reads the
		// answers has gone, and the sender waits for them.
		MaxRPCsInFlight: 1,
		Logger:          a.log,
	})
	a.acks = newAckTransport(transport, func() uint64 { return a.tree.State().Index() })
	notices := make(chan bool)
	config := a.raftConfig(a.log, notices)
	a.acks.probation, a.acks.fence, a.acks.done = a.probation, a.fence, a.raftGone
	a.acks.book = a.book
	a.acks.arrivals = &arrivals{
		calls: validation.Calls{MaxEntry: a.disk.MaxEntry, Decoded: a.tree.Received}, fence: a.fence, complain: a.complaints.tell,
	}
	var started atomic.Pointer[raft.Raft] // heartbeats may come before NewRaft has returned
	a.acks.follows = func(term uint64) bool {
		r := started.Load()
		return r != nil && r.State() == raft.Follower && r.CurrentTerm() == term
	}
	a.compaction.Shorten = func(entries uint64) {
		if r := started.Load(); r != nil {
			a.keepTrailing(r, entries)
		}
	}
	err := a.begin(config)
	if err == nil {
		a.raft, err = raft.NewRaft(config, a.tree, a.disk.Log, a.disk.Stable, a.disk.Snapshots, a.acks)
		started.Store(a.raft)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start Raft: %w", err), transport.Close())
	}
	a.joined.Store(true)
	for _, s := range a.members().Servers {
		a.book.Add(string(s.ID), string(s.Address))
	}
	a.watcher.Go(func() { a.watchLeadership(notices) })
	a.workers.Go(func() { a.proposer.run(a.running, a.raftPropose) })
	a.workers.Go(func() { a.rounds.run(a.running, a.confirm) })
	a.workers.Go(a.keepSmall)
	return nil
}

// streams says what Raft's streams need of this agent.
func (a *Agent) streams() port.Config {
	return port.Config{
		Self: a.id, Advertise: a.advertise, Origin: a.origins.origin, Leads: a.leads, Greet: a.greet, Meet: a.meet,
		Unreachable: a.book.Failed, DiskRate: store.LeastRate,
		Complain: func(what string, err error) {
			if !errors.Is(err, errStranger) && !errors.Is(err, errOnProbation) { // meet tells of strangers
				a.complaints.tell(what, err)
			}
		},
	}
}

// leads says whether Raft takes this node for the leader.
func (a *Agent) leads() bool { return a.joined.Load() && a.raft.State() == raft.Leader }

// begin founds an agency of one, finishes a founding that was decided, and puts an agent
// that starts with nothing among others on probation.
func (a *Agent) begin(config *raft.Config) error {
	pristine, err := a.disk.Pristine()
	if err != nil {
		return err
	}
	mine := a.origins.part()
	switch {
	case pristine && len(mine.Seeds) > 0: // died in the founding, which had been found to be right
		_, err := a.probation.load(a.disk.Notes) // it ends when another founder says so
		return errors.Join(err, a.disk.Bootstrap(config, a.acks, membersOf(mine.Members)))
	case pristine && (a.joins || len(a.peers) > 1):
		// Whoever called it has given it nothing yet.
		if err := a.origins.forget(); err != nil {
			return err
		}
		if err := a.probation.begin(a.disk.Notes); err != nil {
			return fmt.Errorf("begin the probation: %w", err)
		}
	case pristine:
		seeds := map[string]string{a.id: newSeed()}
		if err := a.origins.become(founded{Origin: originOf(a.peers, seeds), Members: a.peers, Seeds: seeds}); err != nil {
			return err
		}
		return a.disk.Bootstrap(config, a.acks, membersOf(a.peers))
	default:
		_, err := a.probation.load(a.disk.Notes)
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
	c.ShutdownOnRemove = false // who was removed still answers, and may be added again
	return c
}

// membersOf is the first Raft configuration of an agency: the same on every agent.
func membersOf(peers map[string]string) raft.Configuration {
	var members raft.Configuration
	for _, id := range slices.Sorted(maps.Keys(peers)) {
		members.Servers = append(members.Servers, raft.Server{
			Suffrage: raft.Voter,
			ID:       raft.ServerID(id),
			Address:  raft.ServerAddress(peers[id]),
		})
	}
	return members
}

// beginQuit tells Raft to stop, once; it may be called from Raft's own goroutines.
func (a *Agent) beginQuit() {
	a.quitting.Do(func() { a.quit = a.raft.Shutdown() })
}

// quitRaft stops Raft and everything it has started, its connections first, so
// that no call of it waits for an answer.
func (a *Agent) quitRaft() error {
	a.log.ended.Store(true)
	a.beginQuit()
	err := errors.Join(a.acks.Close(), a.port.Close(), a.quit.Error())
	a.port.Wait()
	a.fence.Wait()
	return err
}

// pause waits for d, or less if done is closed.
func pause(done <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
