package agency

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/fence"
	"stasis/agency/member"
	"stasis/agency/port"
	"stasis/agency/raftcall"
	"stasis/agency/readindex"
	"stasis/agency/transport"
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
