package agency

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/keys"
	"stasis/agency/member"
	"stasis/agency/note"
	"stasis/agency/origin"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/fsm"
	"stasis/internal/datadir"
)

// An agency that has lost a majority of its directories for good goes on from one that
// is left: offline, that agent becomes the only member of the next incarnation.
//
//  1. The decision is written down: the origin to come. A start refuses from now on.
//  2. A Raft snapshot is written: the tree with every entry of the log, its index moved
//     ahead, and a configuration with this agent alone; then the log is emptied.
//  3. The origin is replaced, the probation is ended, and the decision is removed.
//
// Each step may be done again, so a recovery that was cut short is finished by asking
// for it again, and ends with the origin it was begun with.

// indexStep is how far the indices of an incarnation are from those of the one before,
// further than any agency writes: no index is ever seen twice with two trees behind it,
// whatever was lost, so caches and whoever waits for an index need no exception. 2^40
// transactions are three years at 10,000 a second.
const indexStep = uint64(1) << 40

// mostIncarnations keeps indices exact where numbers are doubles.
const mostIncarnations = 1 << 12

// unknownAddress stands in a configuration until the agent has started and says better.
const unknownAddress = "unknown.invalid:1"

// RecoverOptions say what to recover and how.
type RecoverOptions struct {
	Dir    string  // the data directory of an agent that does not run
	Stores *store.Memory // instead of it
	// Incarnation is the one to become, if it is to be above the next one: servers that
	// have followed a later incarnation follow no earlier one. 0: the next one.
	Incarnation uint64
	// Incomplete allows a directory whose agent had not caught up when it stopped.
	Incomplete bool
	// DryRun changes nothing.
	DryRun bool
	Logger hclog.Logger
}

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

// ErrNothingToRecover is a directory without the state of an agent.
var ErrNothingToRecover = errors.New("nothing to recover")

// Recover makes the agent of a directory the only member of its agency's next
// incarnation. Entries that are in its log count as committed from then on, also those
// whose outcome was never told. What the other agents had committed without this one is
// lost.
func Recover(o RecoverOptions) (Survivor, error) {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Stores == nil {
		switch owner, err := datadir.Owner(vfs.Default, o.Dir); {
		case err != nil:
			return Survivor{}, fmt.Errorf("recover: %w", err)
		case owner == "":
			return Survivor{}, fmt.Errorf("recover: %w: %s is no agent's data directory", ErrNothingToRecover, o.Dir)
		}
	}
	d, err := store.Open(store.Config{Dir: o.Dir, Memory: o.Stores, Logger: o.Logger})
	if err != nil {
		return Survivor{}, fmt.Errorf("recover: %w", err)
	}
	s, err := recoverDisk(d, o)
	if err = errors.Join(err, d.Close()); err != nil {
		return s, fmt.Errorf("recover agent %s: %w", d.ID, err)
	}
	return s, nil
}

// decision is the note of a recovery or a restore that has begun.
type decision struct {
	What   string      `json:"what"`
	Origin keys.Origin `json:"origin"`
}

const (
	recovering = "recover"
	restoring  = "restore"
)

// refuseUnfinished refuses to start from a directory whose recovery has not ended.
func refuseUnfinished(n note.Store) error {
	var d decision
	switch ok, err := note.Read(n, note.Recovery, &d); {
	case err != nil:
		return err
	case !ok:
		return nil
	case d.What == restoring:
		return errors.New("restoring a snapshot into this data directory was begun and not finished: delete the directory, and restore again")
	}
	return errors.New("a recovery of this data directory was begun and not finished: run \"stasis agency recover\" on it again")
}

// nextOrigin is the incarnation after one; at least the one that is asked for.
func nextOrigin(now keys.Origin, asked uint64) (keys.Origin, error) {
	next := now.Incarnation + 1
	if asked != 0 && asked < next {
		return keys.Origin{}, fmt.Errorf("incarnation %d is asked for, and there was incarnation %d already", asked, now.Incarnation)
	}
	if next = max(next, asked); next > mostIncarnations {
		return keys.Origin{}, fmt.Errorf("incarnation %d: there can be %d", next, mostIncarnations)
	}
	return keys.Origin{Agency: now.Agency, Incarnation: next, Founding: uuid.NewString()[:8]}, nil
}

// firstIndex is where the indices of an incarnation begin.
func firstIndex(o keys.Origin) uint64 { return (o.Incarnation - 1) * indexStep }

func recoverDisk(d *store.Store, o RecoverOptions) (Survivor, error) {
	origins, err := origin.Open(d.Notes, false)
	if err != nil {
		return Survivor{}, err
	}
	s, address, err := survey(d)
	if err != nil {
		return s, err
	}
	s.Before = origins.Origin()
	var begun decision
	resumed, err := note.Read(d.Notes, note.Recovery, &begun)
	switch {
	case err != nil:
		return s, err
	case resumed && begun.What != recovering:
		return s, refuseUnfinished(d.Notes)
	case resumed:
		s.After = begun.Origin
	default:
		if s.After, err = nextOrigin(s.Before, o.Incarnation); err != nil {
			return s, err
		}
	}
	if s.Incomplete && !o.Incomplete && !resumed {
		return s, errors.New("this agent had not caught up with the others when it stopped: it may lack anything. " +
			"Recover from another directory, or from a snapshot; --incomplete takes this one all the same")
	}
	if o.DryRun {
		return s, nil
	}
	if err := note.Write(d.Notes, note.Recovery, decision{What: recovering, Origin: s.After}); err != nil {
		return s, err
	}
	if err := reduce(d, address, moved{from: s.Before, to: s.After}, o.Logger); err != nil {
		return s, err
	}
	return s, conclude(d, s.After)
}

// conclude gives the directory its origin, and removes what says that it is not ready.
func conclude(d *store.Store, o keys.Origin) error {
	if err := note.Write(d.Notes, note.Origin, origin.Founded{Origin: o}); err != nil {
		return err
	}
	if err := d.Notes.RemoveNote(note.Learner); err != nil {
		return err
	}
	return d.Notes.RemoveNote(note.Recovery)
}

// reduce makes this agent the only member, with all that it has.
func reduce(d *store.Store, address string, m moved, logger hclog.Logger) error {
	_, transport := raft.NewInmemTransport("")
	config := raft.DefaultConfig()
	config.LocalID, config.Logger, config.NoLegacyTelemetry = raft.ServerID(d.ID), logger, true
	replica := tree.New(tree.Config{KeepLog: tree.DefaultKeepLog})
	err := raft.RecoverCluster(config, &movedTree{FSM: replica, replica: replica, moved: m}, emptiedLog{d.Log}, d.Stable, d.Snapshots, transport, member.First(map[string]string{d.ID: address}))
	if err != nil {
		return fmt.Errorf("rewrite Raft's state: %w", err)
	}
	return nil
}

// movedTree is a replica whose snapshot is of the tree of another incarnation.
type movedTree struct {
	raft.FSM
	replica *tree.Replica
	moved   moved
}

// Snapshot is of the tree at the index.
func (t *movedTree) Snapshot() (raft.FSMSnapshot, error) {
	if _, err := t.replica.Snapshot(); err != nil {
		return nil, err
	}
	return tree.SnapshotOf(t.moved.tree(t.replica.State())), nil
}

// emptiedLog may be emptied when it is empty.
type emptiedLog struct{ raft.LogStore }

// DeleteRange deletes nothing from an empty log.
func (l emptiedLog) DeleteRange(from, to uint64) error {
	if from == 0 {
		return nil
	}
	return l.LogStore.DeleteRange(from, to)
}

// survey finds out what a directory holds, and the address of its agent.
func survey(d *store.Store) (s Survivor, address string, err error) {
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
