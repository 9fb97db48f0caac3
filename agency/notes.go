package agency

import (
	"encoding/json"
	"fmt"
)

// notes are the small files beside Raft's log. Each is written whole or not at all,
// durably, before what depends on it is done.
type notes interface {
	ReadNote(name string) ([]byte, error) // nil if there is none
	WriteNote(name string, data []byte) error
	RemoveNote(name string) error
}

// The notes of an agent.
const (
	// probationNote is there while the agent is on probation.
	probationNote = "PROBATION"
	// originNote says which agency the directory belongs to.
	originNote = "ORIGIN"
	// recoveryNote is there from the decision to recover or restore until that is done.
	recoveryNote = "RECOVERY"
)

// readNote decodes a note; false if there is none.
func readNote(n notes, name string, into any) (bool, error) {
	raw, err := n.ReadNote(name)
	if err != nil || raw == nil {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("the file %s of the data directory is damaged: %w", name, err)
	}
	return true, nil
}

func writeNote(n notes, name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return n.WriteNote(name, append(raw, '\n'))
}
