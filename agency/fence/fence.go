// Package fence keeps an agent whose disk hangs out of the agency.
//
// Raft writes its log and its votes in the loop in which it does everything else, and its
// heartbeats go on beside that loop. A leader whose disk hangs therefore goes on leading, and
// nothing is committed. Raft itself cannot be told, for its loop waits for the disk. So the
// fence stands at the agent's transport: while it is raised, nothing goes out to other agents
// and nothing that they send reaches Raft, and another agent is elected.
package fence

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"stasis/internal/failpoint"
)

// ErrDiskHangs is wrapped by whatever is refused behind a raised fence.
var ErrDiskHangs = errors.New("the disk of this agent hangs")

// Fence is one agent's. Its methods may be called from any goroutine.
type Fence struct {
	mu       sync.Mutex
	hang     *Hang          // nil: the fence is down
	raised   chan struct{}  // closed while the fence is up
	draining sync.WaitGroup // snapshots that are refused
}

// Hang is a disk that hangs, and the reason why the fence is up.
type Hang struct {
	Since time.Time // when the call to the disk began
	Call  string
	Term  uint64 // of Raft when it was noticed
	Final bool   // the agent has given the disk up; only the goroutine that looks at the disk touches it
}

// New gives a fence that is down.
func New() *Fence { return &Fence{raised: make(chan struct{})} }

// Raise keeps the agent out from now on. The fence must be down.
func (f *Fence) Raise(h Hang) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hang = &h
	close(f.raised)
}

// Lower lets the agent take part again.
func (f *Fence) Lower() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hang = nil
	f.raised = make(chan struct{})
}

// Raised is closed while the fence is up. Each Lower makes a new channel.
func (f *Fence) Raised() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.raised
}

// Hang is why the fence is up, nil while it is down.
func (f *Fence) Hang() *Hang {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hang
}

// Err says why nothing may be sent or answered, nil while the fence is down.
func (f *Fence) Err() error {
	if h := f.Hang(); h != nil {
		return h.Err()
	}
	return nil
}

// MaySend says why nothing may be sent to other agents, nil if it may.
func (f *Fence) MaySend() error {
	if failpoint.Off("fence-stops-sending") {
		return nil
	}
	return f.Err()
}

// MayHear says why nothing that other agents send may reach Raft, nil if it may.
func (f *Fence) MayHear() error {
	if failpoint.Off("fence-stops-hearing") {
		return nil
	}
	return f.Err()
}

// Err names the call that hangs. It wraps [ErrDiskHangs].
func (h *Hang) Err() error {
	return fmt.Errorf("%w since %s: %q has not returned", ErrDiskHangs, h.Since.UTC().Format(time.RFC3339), h.Call)
}

// Status is one line for people.
func (h *Hang) Status() string {
	return fmt.Sprintf("its disk hangs, for %.0f s: %q has not returned; it goes on by itself when the disk does", time.Since(h.Since).Seconds(), h.Call)
}

// Health is what status answers tell of it.
func (h *Hang) Health() map[string]any {
	return map[string]any{"since": h.Since.UTC().Format(time.RFC3339), "seconds": time.Since(h.Since).Seconds(), "call": h.Call}
}

// Pass gives the calls of from and of more that come while the fence is down. It refuses the
// others, and those that still wait for Raft's loop when the fence is raised. It ends with
// done.
func (f *Fence) Pass(from, more <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
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
			if !f.deliver(rpc, to, done) {
				return
			}
		}
	}()
	return to
}

// deliver hands a call to Raft or refuses it; false when there is no Raft any more.
func (f *Fence) deliver(rpc raft.RPC, to chan<- raft.RPC, done <-chan struct{}) bool {
	if err := f.MayHear(); err != nil {
		f.Refuse(rpc, err)
		return true
	}
	select {
	case to <- rpc:
	case <-f.Raised():
		f.Refuse(rpc, ErrDiskHangs)
	case <-done:
		return false
	}
	return true
}

// Refuse answers a call that this agent has not looked at. The other agent takes that for no
// answer at all.
func (f *Fence) Refuse(rpc raft.RPC, err error) {
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}
	switch rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header}, err)
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{RPCHeader: header}, err)
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: header}, err)
	case *raft.InstallSnapshotRequest:
		f.draining.Go(func() { // the snapshot is on the stream, what comes next is behind it
			_, _ = io.Copy(io.Discard, rpc.Reader) // ends with the stream at the latest
			rpc.Respond(&raft.InstallSnapshotResponse{RPCHeader: header}, err)
		})
	default:
		rpc.Respond(nil, err)
	}
}

// Filter gives the calls that refuse has not answered. It ends with done.
func Filter(from <-chan raft.RPC, done <-chan struct{}, refuse func(raft.RPC) bool) <-chan raft.RPC {
	to := make(chan raft.RPC)
	go func() { // ends with done
		for {
			select {
			case rpc := <-from:
				if refuse(rpc) {
					continue
				}
				select {
				case to <- rpc:
				case <-done:
					return
				}
			case <-done:
				return
			}
		}
	}()
	return to
}

type reader struct {
	io.Reader
	fence *Fence
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.fence.MaySend(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// Wait returns when no refused snapshot is being read any more. Call it after Raft's streams
// have ended.
func (f *Fence) Wait() { f.draining.Wait() }

// Reader is a snapshot that this agent sends: it fails once the fence is up.
func (f *Fence) Reader(data io.Reader) io.Reader { return reader{data, f} }
