// Package tree is an agent's copy of the key tree: the adapter between Raft, which commits entries,
// and package fsm, which says what they do.
//
// Raft applies one entry at a time, in order, the same on every agent. Everything else here serves
// those that read the tree or wait for it: followers that wait for a change, functions that run at
// an index, the trees of the recent past, and the decision when Raft's log is replaced by a
// snapshot. The package does no I/O of its own and knows neither leadership nor clients.
package tree

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"

	"stasis/agency/quota"
	"stasis/agency/store"
	"stasis/fsm"
	"stasis/internal/wall"
)

// ErrBroken is the result of every entry after one that could not be decoded.
var ErrBroken = errors.New("a committed entry could not be decoded")

// DefaultKeepLog is how many changes a tree remembers unless it is configured.
const DefaultKeepLog = 20000

// Config says how a replica is kept. Everything but KeepLog may be left out.
type Config struct {
	// KeepLog is how many changes the tree remembers.
	KeepLog int
	// Quota and Compaction receive what every entry does to the tree.
	Quota      *quota.Quota
	Compaction *Compaction
	// Wall is the agent's wall clock.
	Wall wall.Clock
	// Halt receives that a committed entry cannot be decoded: the agent must stop.
	Halt func(error)
	// Members receives every membership that is committed after entry MembersAfter.
	Members func(raft.Configuration)
}

// Replica is the agent's copy of the tree. Raft calls Apply, StoreConfiguration, Snapshot and Restore
// from one goroutine. The other methods may be called from any.
type Replica struct {
	// Followers are the requests that wait for a change.
	Followers Followers

	config       Config
	tree         *fsm.Machine
	decoded      decoded
	past         past
	waiters      waiters
	pace         pace
	membersAfter uint64

	mu      sync.Mutex
	applied uint64        // Raft index up to which the tree has everything
	changed chan struct{} // closed and replaced when applied or the tree moves
	broken  bool          // nothing may be applied any more
}

// New makes an empty replica.
func New(c Config) *Replica {
	if c.Quota == nil {
		c.Quota = quota.New(quota.Default)
	}
	if c.Compaction == nil {
		c.Compaction = NewCompaction(Limits{})
	}
	return &Replica{config: c, tree: fsm.New(c.KeepLog), decoded: newDecoded(), changed: make(chan struct{}), Followers: newFollowers()}
}

// Applied is the result of an entry: the state before it, and the outcome of each of its
// transactions.
type Applied struct {
	Before   *fsm.State
	Outcomes []fsm.Outcome
}

// Apply applies one committed entry. It returns an Applied, or an error. An entry that cannot be
// decoded stops the agent: skipping it would make the replicas differ.
func (r *Replica) Apply(log *raft.Log) any {
	if r.isBroken() {
		return ErrBroken
	}
	command, known := r.decoded.take(log.Data)
	if !known {
		var err error
		if command, err = fsm.DecodeCommand(log.Data); err != nil {
			return r.halt(fmt.Errorf("decode committed entry %d: %w", log.Index, err))
		}
	}
	result := Applied{Before: r.tree.State()}
	result.Outcomes = r.tree.Apply(log.Term, command)
	r.pace.note(r.tree.State().Clock())
	r.past.note(result.Outcomes)
	weight := r.tree.State().Weight()
	r.config.Quota.Note(weight, result.Outcomes)
	r.config.Compaction.applied(len(log.Data), weight)
	r.Reached(log.Index)
	return result
}

func (r *Replica) isBroken() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

func (r *Replica) halt(err error) error {
	r.mu.Lock()
	r.broken = true
	r.mu.Unlock()
	if r.config.Halt != nil {
		r.config.Halt(err)
	}
	return err
}

// Proposed spares Apply the decoding of a command that was encoded here. The caller calls forget when
// the entry has its outcome.
func (r *Replica) Proposed(data []byte, command fsm.Command) (forget func()) {
	return r.decoded.proposed(data, command)
}

// Received spares Apply the decoding of a command that was decoded when it arrived from the leader.
func (r *Replica) Received(data []byte, command fsm.Command) { r.decoded.received(data, command) }

// MembersAfter says up to which entry memberships are old. It is called before Raft starts.
func (r *Replica) MembersAfter(index uint64) { r.membersAfter = index }

// StoreConfiguration takes note that a change of Raft's membership was committed.
func (r *Replica) StoreConfiguration(index uint64, members raft.Configuration) {
	if r.config.Members != nil && index > r.membersAfter {
		r.config.Members(members)
	}
	r.Reached(index)
}

// Reached says that the tree has everything up to a Raft index. It wakes all that wait, once per
// entry, however many transactions the entry has.
func (r *Replica) Reached(index uint64) {
	r.mu.Lock()
	r.applied = max(r.applied, index)
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
	r.Followers.moved()
	r.waiters.run(r.tree.State())
}

// Watch returns the state, the Raft index that has been applied, and a channel that is closed when
// either changes.
func (r *Replica) Watch() (state *fsm.State, applied uint64, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tree.State(), r.applied, r.changed
}

// State is the tree as this agent has applied it. Another agent's may be newer.
func (r *Replica) State() *fsm.State { return r.tree.State() }

// At runs do once, when the tree reaches an index, before the entry that reached it has its outcome.
// If the index has been reached already, do is not run. After forget, do is not run any more.
func (r *Replica) At(index uint64, do func(*fsm.State)) (forget func()) {
	return r.waiters.add(index, do, r.tree.State)
}

// Past is the tree at an index, nil if it is no longer kept.
func (r *Replica) Past(index uint64) *fsm.Node { return r.past.at(index) }

// Removed is the weight of everything that changes have taken out of the tree so far, at most. The
// difference of two answers is what the tree of the first answer holds and the second does not.
func (r *Replica) Removed() int64 { return r.past.removed() }

// Keep sets how many changes the tree remembers. Kept returns it.
func (r *Replica) Keep(changes int) { r.tree.Keep(changes) }

// Kept returns how many changes the tree remembers at most.
func (r *Replica) Kept() int { return r.tree.Kept() }

// Snapshot keeps the present state. The tree does not change while Raft calls it.
func (r *Replica) Snapshot() (raft.FSMSnapshot, error) {
	if r.isBroken() {
		return nil, ErrBroken
	}
	return snapshot{state: r.tree.State(), written: r.config.Compaction.begin()}, nil
}

// Restore replaces the tree by that of a snapshot.
func (r *Replica) Restore(from io.ReadCloser) error {
	state, err := fsm.ReadState(from)
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	r.past.reset(r.tree.State().Weight())
	r.tree.Reset(state)
	r.pace.note(state.Clock())
	r.config.Quota.Note(state.Weight(), nil)
	r.config.Compaction.restored()
	r.Reached(0)
	return nil
}

// SnapshotOf is a snapshot of a state, which need not be that of a replica.
func SnapshotOf(state *fsm.State) raft.FSMSnapshot { return snapshot{state: state} }

// snapshot writes a state while the tree moves on.
type snapshot struct {
	state   *fsm.State
	written func() // is called when it is written; may be nil
}

// Persist writes the state to Raft's snapshot store.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	sink = store.Own(sink)
	if _, err := s.state.WriteTo(sink); err != nil {
		_ = sink.Cancel() // the first error is the one to report
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := sink.Close(); err != nil {
		return fmt.Errorf("publish snapshot: %w", err)
	}
	if s.written != nil {
		s.written()
	}
	return nil
}

// Release does nothing: the state is freed when nothing points to it.
func (snapshot) Release() {}

// Now is the time that the next command gets, and that a reader sees the tree at (ms). It is the agent's wall clock, or,
// where that is behind the tree's, the tree's time with what has passed since then (see pace). So it goes on at its pace also after
// a leader whose clock was hours ahead: what is to expire in the tree does, after its time to live at the latest. It may
// expire earlier, by as much as a clock is ahead.
func (r *Replica) Now() int64 { return max(r.config.Wall.Milli(), r.pace.now()) }

// Wall is the agent's wall clock.
func (r *Replica) Wall() wall.Clock { return r.config.Wall }

// Present is a state as a reader is to see it at this moment: without what has expired.
func (r *Replica) Present(s *fsm.State) *fsm.State { return s.AsOf(r.Now()) }
