package agency

import (
	"bytes"
	"sync"

	"github.com/hashicorp/raft"
)

// Stores is an agent's log, votes and snapshots in memory. It survives Close, so
// that a simulated cluster can restart an agent with what it had on "disk". One
// agent at a time may use it.
type Stores struct {
	id     string
	log    *raft.InmemStore
	shots  *memorySnapshots
	frost  *frost
	noting sync.Mutex // guards id and notes
	notes  map[string][]byte
}

// NewMemoryStores makes empty stores.
func NewMemoryStores() *Stores {
	f := &frost{}
	return &Stores{log: raft.NewInmemStore(), shots: &memorySnapshots{frost: f}, frost: f, notes: map[string][]byte{}}
}

// Freeze makes the disk hang: from now on every call that reads or writes it waits until
// thaw is called. An agent whose disk hangs cannot be closed.
func (s *Stores) Freeze() (thaw func()) { return s.frost.freeze() }

// identify is what a data directory's identity file does: the first id stays.
func (s *Stores) identify(id string) string {
	s.noting.Lock()
	defer s.noting.Unlock()
	if s.id == "" {
		s.id = id
	}
	return s.id
}

// open makes the memory what an agent has opened; id is taken if it is not an agent's yet.
func (s *Stores) open(id string) *disk {
	log := memoryLog{s.log, s.frost}
	return &disk{id: s.identify(id), log: log, stable: log, shots: s.shots, close: func() error { return nil }, notes: s}
}

// ReadNote makes memory stores notes.
func (s *Stores) ReadNote(name string) ([]byte, error) {
	s.frost.wait()
	s.noting.Lock()
	defer s.noting.Unlock()
	return bytes.Clone(s.notes[name]), nil
}

// WriteNote makes memory stores notes.
func (s *Stores) WriteNote(name string, data []byte) error {
	s.frost.wait()
	s.noting.Lock()
	defer s.noting.Unlock()
	s.notes[name] = bytes.Clone(data)
	return nil
}

// RemoveNote makes memory stores notes.
func (s *Stores) RemoveNote(name string) error {
	s.frost.wait()
	s.noting.Lock()
	defer s.noting.Unlock()
	delete(s.notes, name)
	return nil
}

// frost is whether a disk in memory hangs.
type frost struct {
	mu     sync.Mutex
	thawed chan struct{} // nil: it does not hang; closed when it does no more
}

// freeze makes it hang until thaw is called.
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

// wait returns when the disk does not hang. No mutex is held meanwhile: virtual time goes on.
func (f *frost) wait() {
	if f == nil {
		return
	}
	f.mu.Lock()
	thawed := f.thawed
	f.mu.Unlock()
	if thawed != nil {
		<-thawed
	}
}
