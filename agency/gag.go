package agency

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"stasis/internal/failpoint"
)

// errDiskHangs is why a gagged agent does nothing.
var errDiskHangs = errors.New("the disk of this agent hangs")

// gag keeps an agent whose disk hangs from taking part: it sends nothing to other
// agents, answers nothing of theirs, and serves no client as leader. Raft itself cannot
// be told, its loop waits for the disk.
type gag struct {
	mu       sync.Mutex
	hang     *diskHang      // nil: the agent is free
	on       chan struct{}  // closed while the agent is gagged
	draining sync.WaitGroup // who refuses a snapshot
}

// diskHang is a disk that hangs.
type diskHang struct {
	since time.Time // when the call began
	what  string
	term  uint64 // of Raft when it was noticed
	final bool   // it is taken for good; only touched by who looks at the disk
}

func newGag() *gag { return &gag{on: make(chan struct{})} }

// put gags the agent.
func (g *gag) put(h diskHang) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hang = &h
	close(g.on)
}

// lift lets it take part again.
func (g *gag) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hang = nil
	g.on = make(chan struct{})
}

// isOn is closed while the agent is gagged.
func (g *gag) isOn() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.on
}

// state is why the agent is gagged, nil if it is not.
func (g *gag) state() *diskHang {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hang
}

// err is why nothing may be sent or answered, nil if it may.
func (g *gag) err() error {
	if h := g.state(); h != nil {
		return h.err()
	}
	return nil
}

// maySend and mayHear are the two directions.
func (g *gag) maySend() error {
	if failpoint.Off("gag-sends") {
		return nil
	}
	return g.err()
}

func (g *gag) mayHear() error {
	if failpoint.Off("gag-hears") {
		return nil
	}
	return g.err()
}

func (h *diskHang) err() error {
	return fmt.Errorf("%w since %s: %q has not returned", errDiskHangs, h.since.UTC().Format(time.RFC3339), h.what)
}

// status is what people are told of it.
func (h *diskHang) status() string {
	return fmt.Sprintf("its disk hangs, for %.0f s: %q has not returned; it goes on by itself when the disk does", time.Since(h.since).Seconds(), h.what)
}

// health is what the agent tells of it.
func (h *diskHang) health() map[string]any {
	return map[string]any{"since": h.since.UTC().Format(time.RFC3339), "seconds": time.Since(h.since).Seconds(), "call": h.what}
}

// sift is Raft's calls from other agents, without those that come while it is on:
// they are refused, those that wait for Raft's loop too. more are calls that come
// another way.
func (g *gag) sift(from, more <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
	to := make(chan raft.RPC)
	go func() { // ends with done
		for {
			var rpc raft.RPC
			select {
			case rpc = <-from:
			case rpc = <-more:
			case <-done:
				return
			}
			if !g.pass(rpc, to, done) {
				return
			}
		}
	}()
	return to
}

// pass hands a call to Raft or refuses it; false when there is no Raft any more.
func (g *gag) pass(rpc raft.RPC, to chan<- raft.RPC, done <-chan struct{}) bool {
	if err := g.mayHear(); err != nil {
		g.refuse(rpc, err)
		return true
	}
	select {
	case to <- rpc:
	case <-g.isOn():
		g.refuse(rpc, errDiskHangs)
	case <-done:
		return false
	}
	return true
}

// refuse answers a call without having looked at it. The other agent takes that for no
// answer at all.
func (g *gag) refuse(rpc raft.RPC, err error) {
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}
	switch rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header}, err)
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{RPCHeader: header}, err)
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: header}, err)
	case *raft.InstallSnapshotRequest:
		g.draining.Go(func() { // the snapshot is on the stream, what comes next is behind it
			_, _ = io.Copy(io.Discard, rpc.Reader) // ends with the stream at the latest
			rpc.Respond(&raft.InstallSnapshotResponse{RPCHeader: header}, err)
		})
	default:
		rpc.Respond(nil, err)
	}
}

// gaggedReader is a snapshot that is being sent.
type gaggedReader struct {
	io.Reader
	gag *gag
}

func (r gaggedReader) Read(p []byte) (int, error) {
	if err := r.gag.maySend(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
