package agency

import (
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/validation"
	"stasis/fsm"
)

// reconcile reads the whole log before it is used, and compares it with the snapshots. Every
// entry has to be there, to be what was written, and to follow the one before or the end of the
// newest whole snapshot. If a snapshot of another agent has replaced the log, and the process
// ended before it dropped the log, it drops the log now.
//
// Bolt panics when it finds its own pages damaged; that becomes an error.
func reconcile(log raft.LogStore, shots raft.SnapshotStore, logger hclog.Logger) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the log of Raft is damaged: %v", p)
		}
	}()
	first, last, err := bounds(log)
	if err != nil {
		return err
	}
	shot, torn, err := newestWhole(shots)
	if err != nil {
		return err
	}
	if last < torn.Index {
		return fmt.Errorf("snapshot %s is damaged, and the log of Raft ends before it, with entry %d", torn.ID, last)
	}
	replaced, err := isReplaced(log, first, last, shot)
	switch {
	case err != nil:
		return err
	case replaced:
		logger.Info("dropping the log that a snapshot has replaced", "first", first, "last", last, "snapshot", shot.Index)
		if err := log.DeleteRange(first, last); err != nil {
			return fmt.Errorf("drop the log that snapshot %s has replaced: %w", shot.ID, err)
		}
		return nil
	case first > shot.Index+1:
		return fmt.Errorf("the log of Raft is damaged: it begins with entry %d, and the newest whole snapshot ends with entry %d", first, shot.Index)
	}
	return checkEntries(log, first, last, shot)
}

func bounds(log raft.LogStore) (first, last uint64, err error) {
	if first, err = log.FirstIndex(); err != nil {
		return 0, 0, fmt.Errorf("the log of Raft is damaged: its beginning: %w", err)
	}
	if last, err = log.LastIndex(); err != nil {
		return 0, 0, fmt.Errorf("the log of Raft is damaged: its end: %w", err)
	}
	return first, last, nil
}

// newestWhole is the snapshot that Raft will start from, and the newest that is
// torn or cannot be read, if that is newer; zero values if there is none. That none is whole of those
// that are there, Raft says itself.
func newestWhole(shots raft.SnapshotStore) (whole, torn raft.SnapshotMeta, err error) {
	list, err := shots.List()
	if err != nil {
		return whole, torn, fmt.Errorf("list snapshots: %w", err)
	}
	for _, meta := range list {
		_, r, err := shots.Open(meta.ID) // it compares the checksum
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

// isReplaced says whether a snapshot stands for the whole log: it goes further, or
// its last entry is another one than the log has in that place.
func isReplaced(log raft.LogStore, first, last uint64, shot raft.SnapshotMeta) (bool, error) {
	switch {
	case last == 0 || first > shot.Index:
		return false, nil
	case last < shot.Index:
		return true, nil
	}
	var entry raft.Log
	if err := log.GetLog(shot.Index, &entry); err != nil {
		return false, fmt.Errorf("the log of Raft is damaged: entry %d: %w", shot.Index, err)
	}
	return entry.Term != shot.Term, nil
}

// checkEntries reads the entries; those after a snapshot's end go on from its term.
func checkEntries(log raft.LogStore, first, last uint64, shot raft.SnapshotMeta) error {
	term := uint64(0)
	for i := first; i <= last && i > 0; i++ {
		var entry raft.Log
		err := log.GetLog(i, &entry)
		if err != nil {
			return fmt.Errorf("the log of Raft is damaged: entry %d: %w", i, err)
		}
		if i > shot.Index {
			term = max(term, shot.Term)
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
