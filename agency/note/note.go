// Package note reads and writes the notes of an agent: the small files beside Raft's log that
// say whether the agent is a learner, which agency it belongs to, and whether a recovery has
// begun.
package note

import (
	"encoding/json"
	"fmt"
)

// Store keeps notes. A note is written completely or not at all, and is durable when Write
// returns: what depends on it happens afterwards.
type Store interface {
	ReadNote(name string) ([]byte, error) // nil, nil if there is none
	WriteNote(name string, data []byte) error
	RemoveNote(name string) error
}

// The names of the notes. They are file names in the data directory.
const (
	// Learner is there while the agent is a learner because it has started with nothing.
	Learner = "PROBATION"
	// Origin says which agency the directory belongs to.
	Origin = "ORIGIN"
	// Recovery is there from the decision to recover or to restore until that is done.
	Recovery = "RECOVERY"
)

// Read decodes a note. It returns false if there is none, and an error if the note cannot be
// read or decoded.
func Read(n Store, name string, into any) (bool, error) {
	raw, err := n.ReadNote(name)
	if err != nil || raw == nil {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("the file %s of the data directory is damaged: %w", name, err)
	}
	return true, nil
}

// Write encodes a note and stores it.
func Write(n Store, name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return n.WriteNote(name, append(raw, '\n'))
}
