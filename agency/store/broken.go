package store

import (
	"fmt"
	"sync"
)

// broken notes that a store must not be written any more, because Raft has a newer term than it has.
//
// Raft panics if it cannot write its term. That would end all of a process that runs several agents, or more than agents, so the
// write succeeds for Raft, the agent is told to end (Store.Dead), and until it has ended every vote and every entry is
// refused. What Raft does meanwhile depends on nothing that it has lost: an agent that has given no vote and stored no entry in a term may as well
// not have heard of it. A vote that it gave in an older term is on the disk.
type broken struct {
	mu  sync.Mutex
	why error
}

func (b *broken) set(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.why == nil {
		b.why = err
	}
}

// err is why nothing may be written; nil if it may.
func (b *broken) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.why == nil {
		return nil
	}
	return fmt.Errorf("nothing is written after a term that could not be: %w", b.why)
}
