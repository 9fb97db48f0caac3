package readindex

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"stasis/internal/failpoint"
)

// Acks notes which peers have accepted this agent as leader, and in which call. Its methods may
// be called from any goroutine.
type Acks struct {
	mu      sync.Mutex
	sent    uint64 // calls sent so far
	newest  map[raft.ServerID]Ack
	changed chan struct{} // closed and replaced at every new ack
}

// Ack is the newest call that a peer has accepted.
type Ack struct {
	Term  uint64        // of Raft, in which the peer accepted it
	At    time.Time     // when the answer came
	Took  time.Duration // from the call to its answer
	Index uint64        // the index of this agent's tree when the call was sent
	// Matched is the last entry up to which the peer's log is known to be this agent's.
	Matched uint64

	sent uint64 // the place of the call in the order of sending
}

// NewAcks gives a table without acks.
func NewAcks() *Acks {
	return &Acks{newest: map[raft.ServerID]Ack{}, changed: make(chan struct{})}
}

// Mark takes the next place in the order of sending: calls that are sent later get a larger one.
func (a *Acks) Mark() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent++
	return a.sent
}

// Note keeps an ack of the call with that mark, if it is the newest of its peer: answers on two
// connections may cross.
func (a *Acks) Note(id raft.ServerID, mark uint64, got Ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	got.sent = mark
	old := a.newest[id]
	if old.Term > got.Term || old.Term == got.Term && old.sent > got.sent {
		return
	}
	if old.Term == got.Term {
		got.Matched = max(got.Matched, old.Matched)
	}
	a.newest[id] = got
	close(a.changed)
	a.changed = make(chan struct{})
}

// since counts the peers that have accepted a call of this term that was sent after mark.
// changed is closed when there may be more.
func (a *Acks) since(mark, term uint64, peers []raft.ServerID) (n int, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range peers {
		if ack := a.newest[id]; ack.Term == term && (ack.sent > mark || failpoint.Off("read-is-confirmed")) {
			n++
		}
	}
	return n, a.changed
}

// Last is the newest ack of a peer in this term; false if there is none.
func (a *Acks) Last(id raft.ServerID, term uint64) (Ack, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ack, ok := a.newest[id]
	return ack, ok && ack.Term == term
}
