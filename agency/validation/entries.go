// Package validation checks what an agent receives from other agents, and what it finds in its
// own log, before anything depends on it.
//
// Raft stores entries as they come. It finds out that it cannot read one when the entry is
// committed: in the key tree, where the agent has to stop, or in a panic of its own (a membership
// that does not decode, an unknown kind of entry, a gap). In both cases the entry is on the disk
// and stops every later start. So entries and memberships are decoded when they arrive. A check
// in the log store would be too late, because Raft has already deleted the entries that the new
// ones replace.
//
// The package keeps no state and does no I/O.
package validation

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"stasis/fsm"
)

// ErrRefused is wrapped by the error of everything that is refused. Nothing of it is kept.
var ErrRefused = errors.New("it is refused, and nothing of it is kept")

// Follows checks that an entry may come directly after the entry with that index and term.
func Follows(e *raft.Log, index, term uint64) error {
	switch {
	case e.Index != index+1:
		return fmt.Errorf("entry %d: it says it is entry %d", index+1, e.Index)
	case e.Term < term:
		return fmt.Errorf("entry %d: its term %d comes after term %d", e.Index, e.Term, term)
	}
	return nil
}

// Entry checks that Raft and the key tree can read an entry. The command is the decoded one if
// the entry carries a command.
func Entry(e *raft.Log) (command fsm.Command, err error) {
	switch e.Type {
	case raft.LogCommand:
		return fsm.DecodeCommand(e.Data)
	case raft.LogConfiguration:
		return command, members(e.Data)
	case raft.LogNoop, raft.LogBarrier:
		return command, nil
	default: // also the kinds that Raft knows and no agent has ever written
		return command, fmt.Errorf("unknown kind of entry %d", e.Type)
	}
}

// members checks that Raft can take an encoded membership: every agent has an id and an address
// of its own, and at least one has a vote.
func members(data []byte) (err error) {
	defer func() { // Raft's decoder panics when it cannot decode
		if p := recover(); p != nil {
			err = fmt.Errorf("membership: %v", p)
		}
	}()
	voters, ids, addresses := 0, map[raft.ServerID]bool{}, map[raft.ServerAddress]bool{}
	for _, s := range raft.DecodeConfiguration(data).Servers {
		switch {
		case s.ID == "" || s.Address == "":
			return fmt.Errorf("membership: an agent without id or address: %q, %q", s.ID, s.Address)
		case ids[s.ID] || addresses[s.Address]:
			return fmt.Errorf("membership: %s at %s is not the only one", s.ID, s.Address)
		case s.Suffrage == raft.Voter:
			voters++
		}
		ids[s.ID], addresses[s.Address] = true, true
	}
	if voters == 0 {
		return errors.New("membership: no agent has a vote")
	}
	return nil
}
