package recovery

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/keys"
	"stasis/agency/note"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/fsm"
)

// unknownAddress stands in a configuration until the agent has started at its own.
const unknownAddress = "unknown.invalid:1"

// Survivor is what an agent's directory holds, and what becomes of it.
type Survivor struct {
	ID         string
	Incomplete bool        // the agent had not caught up
	Before     keys.Origin // what it belongs to
	After      keys.Origin // what it belongs to after the recovery
	Members    []string    // the agents as this one knows them, "ID (host:port)"
	RaftTerm   uint64      // of the last entry in its log
	RaftIndex  uint64
	Index      uint64    // of its tree
	Changed    time.Time // of the last change in it; zero if it is not known
}

// ErrNothingToRecover means that a directory has no state of an agent.
var ErrNothingToRecover = errors.New("nothing to recover")

// inspect finds out what a directory holds, and the address of its agent.
func inspect(d *store.Store) (s Survivor, address string, err error) {
	s.ID, address = d.ID, unknownAddress
	if raw, err := d.Notes.ReadNote(note.Learner); err != nil {
		return s, "", err
	} else if raw != nil {
		s.Incomplete = true
	}
	shot, _, err := store.NewestWhole(d.Snapshots)
	if err != nil {
		return s, "", err
	}
	first, last, err := store.Bounds(d.Log)
	if err != nil {
		return s, "", err
	}
	if shot.Index == 0 && last == 0 {
		return s, "", fmt.Errorf("%w: it has neither a log nor a snapshot", ErrNothingToRecover)
	}
	m := tree.New(tree.Config{KeepLog: tree.DefaultKeepLog})
	if shot.Index > 0 {
		_, r, err := d.Snapshots.Open(shot.ID)
		if err != nil {
			return s, "", fmt.Errorf("open snapshot %s: %w", shot.ID, err)
		}
		if err := errors.Join(m.Restore(r), r.Close()); err != nil {
			return s, "", err
		}
	}
	s.RaftIndex, s.RaftTerm = shot.Index, shot.Term
	members := shot.Configuration
	for i := max(first, shot.Index+1); i <= last; i++ {
		var entry raft.Log
		if err := d.Log.GetLog(i, &entry); err != nil {
			return s, "", fmt.Errorf("entry %d of Raft's log: %w", i, err)
		}
		switch entry.Type {
		case raft.LogCommand:
			if err, failed := m.Apply(&entry).(error); failed {
				return s, "", err
			}
		case raft.LogConfiguration:
			members = raft.DecodeConfiguration(entry.Data)
		}
		s.RaftIndex, s.RaftTerm = entry.Index, entry.Term
	}
	for _, member := range members.Servers {
		s.Members = append(s.Members, fmt.Sprintf("%s (%s)", member.ID, member.Address))
		if string(member.ID) == d.ID {
			address = string(member.Address)
		}
	}
	s.Index, s.Changed = m.State().Index(), changedAt(m.State())
	return s, address, nil
}

// changedAt is the leader's time of the last change.
func changedAt(s *fsm.State) time.Time {
	entries, _ := s.Log(s.FirstIndex())
	if len(entries) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(entries[len(entries)-1].Timestamp).UTC()
}
