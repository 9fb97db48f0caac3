// Package recovery makes an agency of what is left of one.
//
// An agency that has lost a majority of its directories for good goes on from one that is left
// (Recover), or from a snapshot file (Restore). Offline, that agent becomes the only member of
// the agency's next incarnation:
//
//  1. The decision is written down: the origin to come. A start refuses from now on.
//  2. A Raft snapshot is written: the tree with every entry of the log, its index moved ahead, and
//     a configuration with this agent alone. Then the log is emptied.
//  3. The origin is replaced, the agent is no learner any more, and the decision is removed.
//
// Each step may be done again. So a recovery that was cut short is finished by asking for it
// again, and ends with the origin it was begun with.
package recovery

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/member"
	"stasis/agency/note"
	"stasis/agency/origin"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/internal/datadir"
)

// Options say what to recover and how.
type Options struct {
	Dir string // the data directory of an agent that does not run
	FS  vfs.FS // that Dir is on, as in agency.Config
	// Incarnation is the one to become, at least: servers that have followed a later
	// incarnation follow no earlier one. 0: the next one.
	Incarnation uint64
	// Incomplete allows a directory whose agent had not caught up when it stopped.
	Incomplete bool
	// DryRun changes nothing.
	DryRun bool
	Logger hclog.Logger
}

// Recover makes the agent of a directory the only member of its agency's next incarnation.
// Entries in its log count as committed from then on, also those whose outcome was never told.
// What the other agents had committed without this one is lost. The error wraps
// [ErrNothingToRecover] if the directory is no agent's.
func Recover(o Options) (Survivor, error) {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	switch owner, err := datadir.Owner(fs, o.Dir); {
	case err != nil:
		return Survivor{}, fmt.Errorf("recover: %w", err)
	case owner == "":
		return Survivor{}, fmt.Errorf("recover: %w: %s is no agent's data directory", ErrNothingToRecover, o.Dir)
	}
	d, err := store.Open(store.Config{Dir: o.Dir, FS: o.FS, Logger: o.Logger})
	if err != nil {
		return Survivor{}, fmt.Errorf("recover: %w", err)
	}
	s, err := Disk(d, o)
	if err = errors.Join(err, d.Close()); err != nil {
		return s, fmt.Errorf("recover agent %s: %w", d.ID, err)
	}
	return s, nil
}

// Disk recovers the agent of an opened disk, like Recover.
func Disk(d *store.Store, o Options) (Survivor, error) {
	origins, err := origin.Open(d.Notes, false)
	if err != nil {
		return Survivor{}, err
	}
	s, address, err := inspect(d)
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
		return s, RefuseUnfinished(d.Notes)
	case resumed:
		s.After = begun.Origin
	default:
		if s.After, err = Next(s.Before, o.Incarnation); err != nil {
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
	if err := reduce(d, address, Move{From: s.Before, To: s.After}, o.Logger); err != nil {
		return s, err
	}
	return s, conclude(d, s.After)
}

// reduce makes this agent the only member, with all that it has.
func reduce(d *store.Store, address string, m Move, logger hclog.Logger) error {
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
	moved   Move
}

// Snapshot is of the tree as the later incarnation begins with it.
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
