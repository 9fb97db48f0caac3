// Package raftnode runs Raft on an agent's store, port and tree.
//
// It connects hashicorp/raft with what the agent adds to it: streams that name the agent they are
// for, a transport behind the fence, calls that are checked before Raft sees them, a log of changes
// that is compacted by bytes, and a logger that knows which of Raft's complaints are expected. What
// is done with Raft (leading, proposing, reading, changing members) is not its business.
package raftnode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/fence"
	"stasis/agency/keys"
	"stasis/agency/member"
	"stasis/agency/port"
	"stasis/agency/raftcall"
	"stasis/agency/readindex"
	"stasis/agency/store"
	"stasis/agency/transport"
	"stasis/agency/tree"
	"stasis/agency/validation"
)

// Options are the parts of the agent that Raft works with.
type Options struct {
	Self      string // the agent's id
	Advertise string // its "host:port"
	Settings  Settings
	Store     *store.Store
	Port      *port.Port
	Tree      *tree.Replica
	// Compaction says when a snapshot is due by bytes.
	Compaction *tree.Compaction
	Book       *addressbook.Book
	Fence      *fence.Fence
	Learner    Learner
	// Origin returns which agency the agent belongs to.
	Origin func() keys.Origin
	// Expected reports whether an error of a stream needs no line in the log, because its cause has
	// one already.
	Expected func(error) bool
	Logger   hclog.Logger
}

// Learner is what an agent that does not vote yet does with Raft's calls.
type Learner interface {
	// MayVote returns why the agent asks for no vote, nil if it may.
	MayVote() error
	// Filter passes on the calls that Raft may see, and answers the others itself.
	Filter(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC
}

// Guard decides which other agents are strangers.
type Guard interface {
	// Greet returns why a caller is refused, nil if it is welcome.
	Greet(from string, theirs keys.Origin, leads bool) error
	// Meet receives which agency an agent belongs to that has refused this one.
	Meet(id string, theirs keys.Origin) error
}

// Node is Raft of one agent. Its methods may be called from any goroutine once Start has returned;
// Voters before, too.
type Node struct {
	// Raft, Calls and Waiter are there when Start has succeeded. Calls is for those that wait for
	// Raft's futures.
	Raft   *raft.Raft
	Calls  raftcall.Raft
	Waiter *raftcall.Waiter
	// Acks are what the other agents have acknowledged.
	Acks *readindex.Acks

	options    Options
	started    atomic.Pointer[raft.Raft] // Raft: calls of other agents come before NewRaft returns
	transport  *transport.Transport
	complaints *complaints
	log        *logger
	notices    chan bool
	changing   sync.Mutex // held while some of Raft's settings are changed
	stopping   sync.Once
	stopped    raft.Future   // of Raft's shutdown
	gone       chan struct{} // closed when Raft has stopped
}

// New makes a Node that is not started.
func New(o Options) *Node {
	n := &Node{options: o, Acks: readindex.NewAcks(), complaints: &complaints{logger: o.Logger}, notices: make(chan bool), gone: make(chan struct{})}
	n.log = &logger{Logger: o.Logger.Named("raft"), expects: func() bool { return o.Fence.Hang() != nil }, complain: n.complaints.tell}
	return n
}

const (
	raftPool    = 3                // idle Raft connections kept per peer
	raftTimeout = 10 * time.Second // for the next bytes of a Raft call to be sent
)

// Start starts Raft. prepare is called first: it brings the store into the state with which Raft
// begins. Changes that are waited for are given up when running ends.
func (n *Node) Start(running context.Context, guard Guard, prepare func(*raft.Config, raft.Transport) error) error {
	o := n.options
	stream := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                o.Port.Streams(n.Streams(guard)),
		ServerAddressProvider: o.Book,
		MaxPool:               raftPool,
		Timeout:               raftTimeout,
		// One call to a peer at a time. Raft's pipeline hangs for good when an answer refuses its
		// entries while another call is being sent: the goroutine that reads the answers has
		// ended, and the sender waits for it.
		MaxRPCsInFlight: 1,
		Logger:          n.log,
	})
	in := &inbound{calls: validation.Calls{MaxEntry: o.Store.MaxEntry, Decoded: o.Tree.Received}, fence: o.Fence, complain: n.complaints.tell}
	n.transport = transport.New(stream, transport.Options{
		Acks: n.Acks, Book: o.Book, Fence: o.Fence, MayVote: o.Learner.MayVote, Follows: n.follows, Done: n.gone,
		Inbound: func(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
			return o.Learner.Filter(in.filter(from, done), done)
		},
		Index:   func() uint64 { return o.Tree.State().Index() },
		Network: o.Port.Network(), Patience: raftTimeout,
	})
	o.Compaction.Shorten = n.keepTrailing
	config := o.Settings.configuration(o.Self, n.log, n.notices)
	err := prepare(config, n.transport)
	if err == nil {
		n.Raft, err = raft.NewRaft(config, o.Tree, o.Store.Log, o.Store.Stable, o.Store.Snapshots, n.transport)
	}
	if err != nil {
		close(n.gone)
		return errors.Join(fmt.Errorf("start Raft: %w", err), stream.Close())
	}
	n.started.Store(n.Raft)
	n.Calls, n.Waiter = raftcall.Ending(n.Raft, n.gone), raftcall.New(running, o.Fence, o.Settings.Write, n.gone)
	for _, s := range member.Configuration(n.Raft).Servers {
		o.Book.Add(string(s.ID), string(s.Address))
	}
	return nil
}

// Streams says what Raft's streams need of this agent.
func (n *Node) Streams(guard Guard) port.Config {
	o := n.options
	return port.Config{
		Self: o.Self, Advertise: o.Advertise, Origin: o.Origin, Leads: n.leads, Meet: guard.Meet,
		Greet:       func(h port.Hello) error { return guard.Greet(h.From, h.Origin, h.Leads) },
		Unreachable: o.Book.Failed, DiskRate: store.LeastRate,
		Complain: func(what string, err error) {
			if !o.Expected(err) {
				n.complaints.tell(what, err)
			}
		},
	}
}

// Book is where the other agents are.
func (n *Node) Book() *addressbook.Book { return n.options.Book }

// Notices receives true when Raft begins to lead, and false when it stops. Raft waits until a notice
// is taken.
func (n *Node) Notices() <-chan bool { return n.notices }

// Gone is closed when Raft has stopped, or has not started.
func (n *Node) Gone() <-chan struct{} { return n.gone }

// leads reports whether Raft takes this agent for the leader.
func (n *Node) leads() bool {
	r := n.started.Load()
	return r != nil && r.State() == raft.Leader
}

// follows reports whether Raft follows a leader of this term already.
func (n *Node) follows(term uint64) bool {
	r := n.started.Load()
	return r != nil && r.State() == raft.Follower && r.CurrentTerm() == term
}

// Voters returns the ids of the agency's voters, none before Raft runs.
func (n *Node) Voters() []string {
	r := n.started.Load()
	if r == nil {
		return nil
	}
	return member.Voters(member.Configuration(r))
}

// Leader returns the id and the "host:port" of the agent that leads as far as this one knows. It is
// this agent if it leads itself. Both are empty if no leader is known.
func (n *Node) Leader() (id, address string) {
	if n.options.Fence.Hang() != nil {
		return "", "" // it hears of no leader, and does not lead
	}
	raftAddress, raftID := n.Raft.LeaderWithID()
	if raftID == "" {
		return "", ""
	}
	_, address = addressbook.SplitTarget(string(raftAddress)) // as the leader itself says
	if address == "" {
		address = n.options.Book.Of(string(raftID), "")
	}
	return string(raftID), address
}

// reconfigure changes Raft's settings. One change is made at a time: the settings are read, and then
// written.
func (n *Node) reconfigure(change func(*raft.ReloadableConfig)) error {
	n.changing.Lock()
	defer n.changing.Unlock()
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

// keepTrailing tells Raft how many entries stay after the snapshot that begins.
func (n *Node) keepTrailing(entries uint64) {
	if err := n.reconfigure(func(c *raft.ReloadableConfig) { c.TrailingLogs = entries }); err != nil {
		n.options.Logger.Error("Raft's log may stay longer than it should", "error", err)
	}
}

// BeginStop tells Raft to stop, once. It may be called from Raft's own goroutines.
func (n *Node) BeginStop() { n.stopping.Do(func() { n.stopped = n.Raft.Shutdown() }) }

// Stop stops Raft and everything that it has started, and closes the port. Raft's connections end
// first, so that no call of Raft waits for an answer. It waits for the disk if Raft does.
func (n *Node) Stop() error {
	n.log.ended.Store(true)
	n.BeginStop()
	err := errors.Join(n.transport.Close(), n.options.Port.Close(), n.stopped.Error())
	close(n.gone) // before the waits: it ends the calls that wait for Raft's loop, which has ended
	n.options.Port.Wait()
	n.options.Fence.Wait()
	return err
}
