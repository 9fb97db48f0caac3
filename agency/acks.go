package agency

import (
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/fence"
	"stasis/agency/port"
	"stasis/internal/failpoint"
)

// ackTransport notes which peers have accepted this node as leader, and when the
// call they answered was sent.
//
// Raft's own VerifyLeader is not enough for reads: it counts an answer that
// arrives after the question, even when that answer belongs to a heartbeat sent
// long before (a leader that was paused finds such answers in its socket
// buffers), and its future may never be answered when Raft stops. So it is used
// only to trigger heartbeats, and what counts is a call sent after the question.
type ackTransport struct {
	*raft.NetworkTransport
	arrivals  *arrivals
	book      *addressbook.Book
	probation *probation
	fence     *fence.Fence
	done      <-chan struct{}        // closed when Raft has stopped
	follows   func(term uint64) bool // whether Raft follows a leader of this term already
	toLoop    chan raft.RPC          // heartbeats that Raft's loop has to see

	mu      sync.Mutex
	sent    uint64 // calls sent so far; the order of sending
	acks    map[raft.ServerID]ack
	changed chan struct{} // closed and replaced at every new ack
	tree    func() uint64 // the tree's index now
}

// ack is the newest call that a peer has accepted.
type ack struct {
	term  uint64
	sent  uint64    // the call's place in the order of sending
	at    time.Time // when the answer came
	took  time.Duration
	index uint64 // the tree's index when the call was sent
	// matched is how far the peer has Raft's log, for sure.
	matched uint64
}

// named makes sure that an agent is called by its id, also one of a membership that this
// node has in its log, and of which it does not know yet whether it is committed.
func (t *ackTransport) named(id raft.ServerID, target raft.ServerAddress) {
	if _, address := addressbook.SplitTarget(string(target)); address != "" && t.book.Of(string(id), "") == "" {
		t.book.Add(string(id), address)
	}
}

func newAckTransport(t *raft.NetworkTransport, tree func() uint64) *ackTransport {
	return &ackTransport{NetworkTransport: t, acks: map[raft.ServerID]ack{}, changed: make(chan struct{}), tree: tree, toLoop: make(chan raft.RPC)}
}

// AppendEntries makes the call and takes note if the peer accepted its term.
func (t *ackTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	t.named(id, target)
	if err := t.fence.MaySend(); err != nil {
		return err
	}
	port.Shorten(args)
	sent, start, index := t.mark(), time.Now(), t.tree()
	if err := t.NetworkTransport.AppendEntries(id, target, args, resp); err != nil {
		return err
	}
	if resp.Success && resp.Term == args.Term {
		t.note(id, ack{term: args.Term, sent: sent, at: time.Now(), took: time.Since(start), index: index, matched: matched(args)})
	}
	return nil
}

// matched is how far the log of a peer that accepts a call is this node's. A
// heartbeat says nothing of it.
func matched(args *raft.AppendEntriesRequest) uint64 {
	if n := len(args.Entries); n > 0 {
		return args.Entries[n-1].Index
	}
	return args.PrevLogEntry
}

// InstallSnapshot sends a snapshot, as long as the agent may speak.
func (t *ackTransport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	t.named(id, target)
	if err := t.fence.MaySend(); err != nil {
		return err
	}
	return t.NetworkTransport.InstallSnapshot(id, target, args, resp, t.fence.Reader(data))
}

// TimeoutNow tells another agent to stand for election.
func (t *ackTransport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	t.named(id, target)
	if err := t.fence.MaySend(); err != nil {
		return err
	}
	return t.NetworkTransport.TimeoutNow(id, target, args, resp)
}

// Consumer is what other agents ask: only what this one can read, nothing while it is
// gagged, and not for votes during a probation.
func (t *ackTransport) Consumer() <-chan raft.RPC {
	return t.fence.Pass(t.probation.sift(t.arrivals.sift(t.NetworkTransport.Consumer(), t.done), t.done), t.toLoop, t.done)
}

// SetHeartbeatHandler is told by Raft how to answer a heartbeat beside its loop, so that
// a follower whose disk is busy is not taken for dead. That is meant for heartbeats that
// change nothing. One that makes Raft follow has it write the term, and beside the loop
// that write can be overtaken by one of the loop: on a disk that hangs both wait, and the
// term could go back behind a vote that was given. So these go the way of all other calls.
func (t *ackTransport) SetHeartbeatHandler(answer func(raft.RPC)) {
	t.NetworkTransport.SetHeartbeatHandler(func(rpc raft.RPC) {
		if err := t.fence.MayHear(); err != nil {
			t.fence.Refuse(rpc, err)
			return
		}
		if r, ok := rpc.Command.(*raft.AppendEntriesRequest); ok && (t.follows(r.Term) || failpoint.Off("heartbeats-in-loop")) {
			answer(rpc)
			return
		}
		select {
		case t.toLoop <- rpc:
		case <-t.fence.Raised():
			t.fence.Refuse(rpc, fence.ErrDiskHangs)
		case <-t.done:
			rpc.Respond(nil, raft.ErrRaftShutdown)
		}
	})
}

// RequestVote asks for no vote during a probation.
func (t *ackTransport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	t.named(id, target)
	if t.probation.active() {
		return errOnProbation
	}
	if err := t.fence.MaySend(); err != nil {
		return err
	}
	return t.NetworkTransport.RequestVote(id, target, args, resp)
}

// RequestPreVote asks for no vote during a probation.
func (t *ackTransport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	t.named(id, target)
	if t.probation.active() {
		return errOnProbation
	}
	if err := t.fence.MaySend(); err != nil {
		return err
	}
	return t.NetworkTransport.RequestPreVote(id, target, args, resp)
}

// mark takes the next place in the order of sending: calls sent later get a
// larger one.
func (t *ackTransport) mark() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	return t.sent
}

// note keeps the newest ack: answers of two connections may cross.
func (t *ackTransport) note(id raft.ServerID, a ack) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.acks[id]; old.term > a.term || old.term == a.term && old.sent > a.sent {
		return
	}
	if old := t.acks[id]; old.term == a.term {
		a.matched = max(a.matched, old.matched)
	}
	t.acks[id] = a
	close(t.changed)
	t.changed = make(chan struct{})
}

// since says which of the peers have accepted a call of this term that was sent
// after mark; changed is closed when there may be more.
func (t *ackTransport) since(mark, term uint64, peers []raft.ServerID) (n int, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range peers {
		if a := t.acks[id]; a.term == term && (a.sent > mark || failpoint.Off("read-is-confirmed")) {
			n++
		}
	}
	return n, t.changed
}

// last is the newest ack of a peer in this term, if there is one.
func (t *ackTransport) last(id raft.ServerID, term uint64) (ack, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := t.acks[id]
	return a, ok && a.term == term
}
