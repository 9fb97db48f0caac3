package store

import (
	"encoding/json"
	"fmt"
)

// Notes are small files beside Raft's log. A note is written whole or not at all, and is durable
// before the call returns: what depends on a note is done afterwards.
type Notes interface {
	// ReadNote returns nil if there is no such note.
	ReadNote(name string) ([]byte, error)
	WriteNote(name string, data []byte) error
	RemoveNote(name string) error
}

// The notes of an agent. The names are part of the format of a data directory.
const (
	// ProbationNote exists while the agent is a learner: it receives the log and does not vote.
	ProbationNote = "PROBATION"
	// OriginNote says which agency the directory belongs to.
	OriginNote = "ORIGIN"
	// RecoveryNote exists from the decision to recover or to restore until that is complete.
	RecoveryNote = "RECOVERY"
)

// ReadNote decodes a note. It returns false if there is none.
func ReadNote(n Notes, name string, into any) (bool, error) {
	raw, err := n.ReadNote(name)
	if err != nil || raw == nil {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("the file %s of the data directory is damaged: %w", name, err)
	}
	return true, nil
}

// WriteNote encodes and writes a note.
func WriteNote(n Notes, name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return n.WriteNote(name, append(raw, '\n'))
}
