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

// open opens the memory. If it belongs to no agent yet, it belongs to id from then on.
func (s *Memory) open(id string) *Store {
	log := memoryLog{s.log, s.frost}
	return &Store{ID: s.identify(id), Log: log, Stable: log, Snapshots: s.snapshots, release: func() error { return nil }, Notes: s}
}

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

// frost says whether a disk in memory hangs.
type frost struct {
	mu     sync.Mutex
	thawed chan struct{} // nil: it does not hang; closed when it is thawed
}

// freeze makes the disk hang until thaw is called.
func (f *frost) freeze() (thaw func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.thawed != nil {
		panic("the disk hangs already")
	}
	thawed := make(chan struct{})
	f.thawed = thawed
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.thawed = nil
		close(thawed)
	})
}

// wait returns when the disk does not hang. It holds no mutex while it waits, so virtual time goes on.
func (f *frost) wait() {
	f.mu.Lock()
	thawed := f.thawed
	f.mu.Unlock()
	if thawed != nil {
		<-thawed
	}
}
