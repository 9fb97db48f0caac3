package agency

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// node is the Raft side of an agent.
type node struct {
	raft     *raft.Raft
	disk     *disk
	mux      *mux
	acks     *ackTransport
	machine  *machine
	log      *raftLog
	fatal    chan error // from the machine: the node must stop
	quitting sync.Once
	quit     raft.Future   // of Raft's shutdown
	raftGone chan struct{} // closed when Raft has stopped
}

const (
	raftPool    = 3                // idle Raft connections kept per peer
	raftTimeout = 10 * time.Second // for the bytes of one Raft call to move
	raftEntries = 16               // Raft entries in one call; each may be several MiB
)

// join starts Raft.
func (a *Agent) join() error {
	a.log = &raftLog{Logger: a.logger.Named("raft")}
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                &raftStream{lane: a.mux.raft, mux: a.mux, advertise: namedAddr(a.advertise)},
		ServerAddressProvider: addressBook(a.peers),
		MaxPool:               raftPool,
		Timeout:               raftTimeout,
		Logger:                a.log,
	})
	a.acks = newAckTransport(transport, func() uint64 { return a.machine.state().Index() })
	notices := make(chan bool)
	config := a.raftConfig(a.log, notices)
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

// addressBook finds agents by id, whatever address Raft's log has for them.
type addressBook map[string]string

// ServerAddr is the present address of an agent.
func (b addressBook) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if address, ok := b[string(id)]; ok {
		return raft.ServerAddress(address), nil
	}
	return "", fmt.Errorf("agent %s is not among the peers", id)
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
	return errors.Join(a.acks.Close(), a.mux.close(), a.quit.Error())
}
