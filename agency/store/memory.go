package store

import (
	"bytes"
	"sync"

	"github.com/hashicorp/raft"
)

// Memory is an agent's disk in memory. It keeps its content when the Store is closed, so that a
// simulated cluster can restart an agent with what it had. One agent at a time may use it.
type Memory struct {
	log       *raft.InmemStore
	snapshots *memorySnapshots
	frost     *frost

	mu    sync.Mutex
	id    string
	notes map[string][]byte
}

// NewMemory makes empty stores.
func NewMemory() *Memory {
	f := &frost{}
	return &Memory{log: raft.NewInmemStore(), snapshots: &memorySnapshots{frost: f}, frost: f, notes: map[string][]byte{}}
}

// Freeze makes the disk hang: every call that reads or writes it waits until thaw is called. An
// agent whose disk hangs cannot be closed.
func (s *Memory) Freeze() (thaw func()) { return s.frost.freeze() }

// identify does what the identity file of a data directory does: the first id stays.
func (s *Memory) identify(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == "" {
		s.id = id
	}
	return s.id
}

// files returns Raft's log, votes and snapshots.
func (s *Memory) files() (memoryLog, *memorySnapshots) { return memoryLog{s.log, s.frost}, s.snapshots }

// ReadNote implements note.Store.
func (s *Memory) ReadNote(name string) ([]byte, error) {
	s.frost.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.notes[name]), nil
}

// WriteNote implements note.Store.
func (s *Memory) WriteNote(name string, data []byte) error {
	s.frost.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes[name] = bytes.Clone(data)
	return nil
}

// RemoveNote implements note.Store.
func (s *Memory) RemoveNote(name string) error {
	s.frost.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.notes, name)
	return nil
}
