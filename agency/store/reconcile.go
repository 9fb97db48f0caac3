package store

import (
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/validation"
	"stasis/fsm"
)

// reconcile reads the whole log before it is used and compares it with the snapshots. Every entry
// has to be there, has to be what was written, and has to follow the one before it or the end of
// the newest whole snapshot. If a snapshot of another agent has replaced the log, and the process
// ended before it dropped the log, reconcile drops it.
//
// Bolt panics when it finds its own pages damaged. reconcile returns that as an error.
func reconcile(log raft.LogStore, snapshots raft.SnapshotStore, logger hclog.Logger) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the log of Raft is damaged: %v", p)
		}
	}()
	first, last, err := Bounds(log)
	if err != nil {
		return err
	}
	snapshot, torn, err := NewestWhole(snapshots)
	if err != nil {
		return err
	}
	if last < torn.Index {
		return fmt.Errorf("snapshot %s is damaged, and the log of Raft ends before it, with entry %d", torn.ID, last)
	}
	replaced, err := isReplaced(log, first, last, snapshot)
	switch {
	case err != nil:
		return err
	case replaced:
		logger.Info("dropping the log that a snapshot has replaced", "first", first, "last", last, "snapshot", snapshot.Index)
		if err := log.DeleteRange(first, last); err != nil {
			return fmt.Errorf("drop the log that snapshot %s has replaced: %w", snapshot.ID, err)
		}
		return nil
	case first > snapshot.Index+1:
		return fmt.Errorf("the log of Raft is damaged: it begins with entry %d, and the newest whole snapshot ends with entry %d", first, snapshot.Index)
	}
	return checkEntries(log, first, last, snapshot)
}

// Bounds returns the first and the last index of a log, 0 and 0 if it is empty.
func Bounds(log raft.LogStore) (first, last uint64, err error) {
	if first, err = log.FirstIndex(); err != nil {
		return 0, 0, fmt.Errorf("the log of Raft is damaged: its beginning: %w", err)
	}
	if last, err = log.LastIndex(); err != nil {
		return 0, 0, fmt.Errorf("the log of Raft is damaged: its end: %w", err)
	}
	return first, last, nil
}

// NewestWhole returns the snapshot that Raft will start from, and the newest snapshot that is torn
// or cannot be read if that one is newer. Each is the zero value if there is none. If all snapshots
// are torn, both are: Raft itself refuses to start then.
func NewestWhole(snapshots raft.SnapshotStore) (whole, torn raft.SnapshotMeta, err error) {
	list, err := snapshots.List()
	if err != nil {
		return whole, torn, fmt.Errorf("list snapshots: %w", err)
	}
	for _, meta := range list {
		_, r, err := snapshots.Open(meta.ID) // it compares the checksum
		if err == nil {
			_, err = fsm.ReadState(r)
			err = errors.Join(err, r.Close())
		}
		if err == nil {
			return *meta, torn, nil
		}
		if torn.ID == "" {
			torn = *meta
		}
	}
	return whole, raft.SnapshotMeta{}, nil
}

// isReplaced reports whether a snapshot stands for the whole log: it goes further than the log, or
// its last entry differs from the entry that the log has in that place.
func isReplaced(log raft.LogStore, first, last uint64, snapshot raft.SnapshotMeta) (bool, error) {
	switch {
	case last == 0 || first > snapshot.Index:
		return false, nil
	case last < snapshot.Index:
		return true, nil
	}
	var entry raft.Log
	if err := log.GetLog(snapshot.Index, &entry); err != nil {
		return false, fmt.Errorf("the log of Raft is damaged: entry %d: %w", snapshot.Index, err)
	}
	return entry.Term != snapshot.Term, nil
}

// checkEntries reads and checks all entries. Those after the snapshot's end must not have a lower
// term than it.
func checkEntries(log raft.LogStore, first, last uint64, snapshot raft.SnapshotMeta) error {
	term := uint64(0)
	for i := first; i <= last && i > 0; i++ {
		var entry raft.Log
		err := log.GetLog(i, &entry)
		if err != nil {
			return fmt.Errorf("the log of Raft is damaged: entry %d: %w", i, err)
		}
		if i > snapshot.Index {
			term = max(term, snapshot.Term)
		}
		if err := validation.Follows(&entry, i-1, term); err != nil {
			return fmt.Errorf("the log of Raft is damaged: %w", err)
		}
		if _, err := validation.Entry(&entry); err != nil {
			return fmt.Errorf("the log of Raft is damaged: entry %d: %w", i, err)
		}
		term = entry.Term
	}
	return nil
}
