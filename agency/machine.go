package agency

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"

	"stasis/agency/quota"
	"stasis/agency/store"
	"stasis/fsm"
)

// machine is the adapter between Raft and the key tree. Raft calls it from one
// goroutine; the rest of the agent reads it from any.
type machine struct {
	tree *fsm.Machine
	halt func(error) // stops the node: what is committed cannot be understood

	members     func(raft.Configuration) // is told of changes; set before Raft starts
	membersFrom uint64                   // those up to this index are old

	mu      sync.Mutex
	known   map[*byte]fsm.Command // what this node has proposed or been sent, by its encoding
	sent    []*byte               // what it has been sent, the newest last: known is bounded
	applied uint64                // Raft index up to which the tree has everything
	changed chan struct{}         // closed and replaced when applied or the tree moves
	broken  bool                  // nothing may be applied any more
	watchers
	past       past
	quota      *quota.Quota
	compaction *compaction
}

func newMachine(keepLog int, halt func(error)) *machine {
	return &machine{tree: fsm.New(keepLog), halt: halt, known: map[*byte]fsm.Command{}, changed: make(chan struct{}),
		watchers: newWatchers(), quota: quota.New(quota.Default), compaction: newCompaction(Timing{}.withDefaults())}
}

// appliedBatch is what Apply answers to the proposer: the state before the entry
// and the outcome of each of its transactions.
type appliedBatch struct {
	before   *fsm.State
	outcomes []fsm.Outcome
}

// Apply applies one committed entry. An entry that cannot be decoded stops the
// node: skipping it would make replicas differ.
func (m *machine) Apply(log *raft.Log) any {
	m.mu.Lock()
	broken := m.broken
	m.mu.Unlock()
	if broken {
		return errBroken
	}
	command, err := m.command(log.Data)
	if err != nil {
		err = fmt.Errorf("decode committed entry %d: %w", log.Index, err)
		m.mu.Lock()
		m.broken = true
		m.mu.Unlock()
		m.halt(err)
		return err
	}
	batch := appliedBatch{before: m.tree.State()}
	batch.outcomes = m.tree.Apply(log.Term, command)
	m.past.note(batch.outcomes)
	weight := m.tree.State().Weight()
	m.quota.Note(weight, batch.outcomes)
	m.compaction.applied(len(log.Data), weight)
	m.reached(log.Index)
	return batch
}

// expect spares Apply the decoding of a command that was encoded here. forget ends it.
func (m *machine) expect(data []byte, command fsm.Command) (forget func()) {
	key := &data[0]
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[key] = command
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.known, key)
	}
}

// Of what is sent to this node, entries up to that many bytes are decoded once, as many as are
// on their way at a time and some more.
const (
	rememberedSize = 256 << 10
	remembered     = 64
)

// remember spares Apply the decoding of a command that was decoded when it arrived. Raft's
// cache gives Apply the bytes that arrived.
func (m *machine) remember(data []byte, command fsm.Command) {
	if len(data) == 0 || len(data) > rememberedSize {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sent) == remembered {
		delete(m.known, m.sent[0])
		m.sent = append(m.sent[:0], m.sent[1:]...)
	}
	m.known[&data[0]] = command
	m.sent = append(m.sent, &data[0])
}

// command is what an entry carries: the very bytes that were encoded or decoded here need no
// decoding.
func (m *machine) command(data []byte) (fsm.Command, error) {
	if len(data) > 0 {
		m.mu.Lock()
		command, ok := m.known[&data[0]]
		delete(m.known, &data[0]) // an entry is applied once
		m.mu.Unlock()
		if ok {
			return command, nil
		}
	}
	return fsm.DecodeCommand(data)
}

// StoreConfiguration takes note that a change of Raft's membership was committed.
func (m *machine) StoreConfiguration(index uint64, members raft.Configuration) {
	if m.members != nil && index > m.membersFrom {
		m.members(members)
	}
	m.reached(index)
}

// reached takes note that the tree has everything up to index, and wakes whoever
// waits: once per entry, however many transactions it carries.
func (m *machine) reached(index uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied = max(m.applied, index)
	close(m.changed)
	m.changed = make(chan struct{})
	m.moved()
}

// watch gives the state, how far Raft's log has been applied, and a channel that
// is closed when either has changed.
func (m *machine) watch() (*fsm.State, uint64, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tree.State(), m.applied, m.changed
}

// state is the tree as this node has applied it: not confirmed to be the newest.
func (m *machine) state() *fsm.State { return m.tree.State() }

// Snapshot keeps a pointer; nothing is applied meanwhile.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return nil, errBroken
	}
	return snapshot{state: m.tree.State(), written: m.compaction.begin()}, nil
}

// Restore replaces the tree by a snapshot's.
func (m *machine) Restore(r io.ReadCloser) error {
	state, err := fsm.ReadState(r)
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	m.past.reset(m.tree.State().Weight())
	m.tree.Reset(state)
	m.quota.Note(state.Weight(), nil)
	m.compaction.restored()
	m.reached(0)
	return nil
}

// snapshot writes a state out while the tree moves on.
type snapshot struct {
	state   *fsm.State
	written func() // is told when it is; nil: it is not counted
}

// Persist writes the state to Raft's snapshot store.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	sink = store.Own(sink)
	if _, err := s.state.WriteTo(sink); err != nil {
		_ = sink.Cancel() // the first error is the one to tell
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

// Release does nothing: the state is garbage when nobody points to it.
func (snapshot) Release() {}

// errBroken ends everything on a node that could not understand an entry.
var errBroken = errors.New("a committed entry could not be decoded")
