package store

import (
	"errors"

	"github.com/hashicorp/raft-wal/types"

	"stasis/agency/note"
)

// segmentList is raft-wal's list of segments in one table. Raft's stable values are elsewhere.
type segmentList struct{ table table }

func newSegmentList(notes note.Store, name string) segmentList {
	return segmentList{table{notes, name}}
}

// Load reads the list, which is empty if it was never written. The directory is known.
func (l segmentList) Load(string) (state types.PersistentState, err error) {
	_, err = l.table.read(&state)
	return state, err
}

// CommitState replaces the list.
func (l segmentList) CommitState(state types.PersistentState) error { return l.table.write(state) }

var errNoStable = errors.New("the list of segments keeps no stable values")

// GetStable is not used: see stableFile.
func (segmentList) GetStable([]byte) ([]byte, error) { return nil, errNoStable }

// SetStable is not used: see stableFile.
func (segmentList) SetStable(_, _ []byte) error { return errNoStable }

// Close does nothing.
func (segmentList) Close() error { return nil }
