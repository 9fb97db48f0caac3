// Package transport is Raft's network transport with what an agent adds to it: it names every
// agent by its id, stands behind the fence, asks for no vote while the agent is a learner, and
// notes which peers have accepted this agent as their leader.
package transport

import (
	"io"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/fence"
	"stasis/agency/port"
	"stasis/agency/readindex"
	"stasis/internal/failpoint"
	"stasis/internal/network"
)

// Options are the parts of the agent that the transport works with.
type Options struct {
	Acks  *readindex.Acks
	Book  *addressbook.Book
	Fence *fence.Fence
	// Inbound gives the calls of other agents that Raft may see, and answers the others itself.
	Inbound func(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC
	// MayVote says why this agent asks for no vote, nil if it may.
	MayVote func() error
	// Follows tells whether Raft follows a leader of this term already.
	Follows func(term uint64) bool
	// Index is the index of the tree now.
	Index func() uint64
	// Done is closed when Raft has stopped.
	Done <-chan struct{}
	// Network is what the calls go through.
	Network network.Network
	// Patience is how long Raft's own transport waits for an answer.
	Patience time.Duration
}

// Transport is given to Raft.
type Transport struct {
	*raft.NetworkTransport
	options Options
	toLoop  chan raft.RPC // heartbeats that Raft's loop has to see
	calls   *messages
}

// New wraps Raft's own transport.
func New(t *raft.NetworkTransport, o Options) *Transport {
	return &Transport{NetworkTransport: t, options: o, toLoop: make(chan raft.RPC), calls: newMessages(o.Network, o.Book, o.Patience)}
}

// named makes sure that an agent is called by its id, also one of a membership that this agent
// has in its log and does not know to be committed.
func (t *Transport) named(id raft.ServerID, target raft.ServerAddress) {
	if _, address := addressbook.SplitTarget(string(target)); address != "" && t.options.Book.Of(string(id), "") == "" {
		t.options.Book.Add(string(id), address)
	}
}

// AppendEntries makes a call, and notes it if it is accepted.
func (t *Transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	t.named(id, target)
	if err := t.options.Fence.MaySend(); err != nil {
		return err
	}
	port.Shorten(args)
	mark, start, index := t.options.Acks.Mark(), time.Now(), t.options.Index()
	if err := through(t.calls.to(id, target, "AppendEntries"), args, resp, t.NetworkTransport.AppendEntries); err != nil {
		return err
	}
	if resp.Success && resp.Term == args.Term {
		t.options.Acks.Note(id, mark, readindex.Ack{Term: args.Term, At: time.Now(), Took: time.Since(start), Index: index, Matched: matched(args)})
	}
	return nil
}

// matched is how far the log of a peer that accepts a call is this agent's. A heartbeat says
// nothing of it.
func matched(args *raft.AppendEntriesRequest) uint64 {
	if n := len(args.Entries); n > 0 {
		return args.Entries[n-1].Index
	}
	return args.PrevLogEntry
}

// InstallSnapshot sends a snapshot, as long as the fence is down.
func (t *Transport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	t.named(id, target)
	if err := t.options.Fence.MaySend(); err != nil {
		return err
	}
	return t.calls.to(id, target, "InstallSnapshot").snapshot(args, resp, t.options.Fence.Reader(data), t.NetworkTransport.InstallSnapshot)
}

// TimeoutNow tells another agent to stand for election.
func (t *Transport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	t.named(id, target)
	if err := t.options.Fence.MaySend(); err != nil {
		return err
	}
	return through(t.calls.to(id, target, "TimeoutNow"), args, resp, t.NetworkTransport.TimeoutNow)
}

// RequestVote asks for a vote, unless this agent is a learner.
func (t *Transport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	t.named(id, target)
	if err := t.mayAsk(); err != nil {
		return err
	}
	return through(t.calls.to(id, target, "RequestVote"), args, resp, t.NetworkTransport.RequestVote)
}

// RequestPreVote asks whether there would be a vote, unless this agent is a learner.
func (t *Transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	t.named(id, target)
	if err := t.mayAsk(); err != nil {
		return err
	}
	return through(t.calls.to(id, target, "RequestPreVote"), args, resp, t.NetworkTransport.RequestPreVote)
}

func (t *Transport) mayAsk() error {
	if err := t.options.MayVote(); err != nil {
		return err
	}
	return t.options.Fence.MaySend()
}

// Close ends the calls that faults hold back, and Raft's own transport.
func (t *Transport) Close() error {
	t.calls.stop()
	return t.NetworkTransport.Close()
}

// Consumer is what Raft sees of the calls of other agents.
func (t *Transport) Consumer() <-chan raft.RPC {
	return t.options.Fence.Pass(t.options.Inbound(t.NetworkTransport.Consumer(), t.options.Done), t.toLoop, t.options.Done)
}

// SetHeartbeatHandler is told by Raft how to answer a heartbeat beside its loop, so that a
// follower whose disk is busy is not taken for dead. That is meant for heartbeats that change
// nothing. A heartbeat that makes Raft follow has it write the term. Beside the loop that write
// can be overtaken by one of the loop: on a disk that hangs both wait, and the term could go
// back behind a vote that was given. So such heartbeats go the way of all other calls.
func (t *Transport) SetHeartbeatHandler(answer func(raft.RPC)) {
	t.NetworkTransport.SetHeartbeatHandler(func(rpc raft.RPC) {
		if err := t.options.Fence.MayHear(); err != nil {
			t.options.Fence.Refuse(rpc, err)
			return
		}
		if r, ok := rpc.Command.(*raft.AppendEntriesRequest); ok && (t.options.Follows(r.Term) || failpoint.Off("heartbeats-in-loop")) {
			answer(rpc)
			return
		}
		select {
		case t.toLoop <- rpc:
		case <-t.options.Fence.Raised():
			t.options.Fence.Refuse(rpc, fence.ErrDiskHangs)
		case <-t.options.Done:
			rpc.Respond(nil, raft.ErrRaftShutdown)
		}
	})
}
