package validation

import (
	"fmt"

	"github.com/hashicorp/raft"

	"stasis/fsm"
	"stasis/internal/failpoint"
)

// Calls checks the calls of other agents. A call from a correct leader always passes.
type Calls struct {
	// MaxEntry is how many bytes the log can store in one entry. 0: any number.
	MaxEntry int
	// Decoded receives every command that was decoded and the bytes that it was decoded from,
	// so that it need not be decoded again when it is applied.
	Decoded func(data []byte, command fsm.Command)
}

// Check returns why a call is refused, nil if Raft may have it. The error wraps [ErrRefused].
func (c Calls) Check(call any) error {
	switch r := call.(type) {
	case *raft.AppendEntriesRequest:
		if err := c.entries(r); err != nil && !failpoint.Off("entries-are-read-on-arrival") {
			return fmt.Errorf("entries from %s in term %d: %w: %w", r.ID, r.Term, err, ErrRefused)
		}
	case *raft.InstallSnapshotRequest:
		if err := snapshot(r); RefusesSnapshot(err) {
			return fmt.Errorf("snapshot from %s in term %d: %w: %w", r.ID, r.Term, err, ErrRefused)
		}
	}
	return nil
}

// RefusesSnapshot reports whether a snapshot of another agent is refused, because the check of its head
// or the reading of its data ended with err.
func RefusesSnapshot(err error) bool {
	return err != nil && !failpoint.Off("snapshot-is-read-on-arrival")
}

// entries checks that the entries of a call are a part of a log that this agent can read: they
// begin where the call says, follow each other without a gap, and their terms do not fall.
func (c Calls) entries(r *raft.AppendEntriesRequest) error {
	index, term := r.PrevLogEntry, r.PrevLogTerm
	for _, e := range r.Entries {
		if e == nil {
			return fmt.Errorf("nothing in the place of entry %d", index+1)
		}
		if err := Follows(e, index, term); err != nil {
			return err
		}
		if e.Term > r.Term {
			return fmt.Errorf("entry %d: its term %d is later than its leader's", e.Index, e.Term)
		}
		if size := len(e.Data) + len(e.Extensions); c.MaxEntry > 0 && size > c.MaxEntry {
			return fmt.Errorf("entry %d: it has %d bytes, and the log takes %d", e.Index, size, c.MaxEntry)
		}
		command, err := Entry(e)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
		if e.Type == raft.LogCommand && c.Decoded != nil {
			c.Decoded(e.Data, command)
		}
		index, term = e.Index, e.Term
	}
	return nil
}

// snapshot checks what comes before a snapshot's data. The data is checked while it is received.
func snapshot(r *raft.InstallSnapshotRequest) error {
	switch {
	case r.SnapshotVersion != raft.SnapshotVersionMax:
		return fmt.Errorf("unknown version %d of Raft's snapshots", r.SnapshotVersion)
	case r.LastLogIndex == 0 || r.LastLogTerm == 0 || r.LastLogTerm > r.Term:
		return fmt.Errorf("it ends with entry %d of term %d", r.LastLogIndex, r.LastLogTerm)
	}
	return members(r.Configuration)
}
