package recovery

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	agencyclient "stasis/agency/client"
	"stasis/agency/member"
	"stasis/agency/note"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/fsm"
)

// RestoreOptions say where a snapshot of the agency goes.
type RestoreOptions struct {
	Dir         string // does not exist, or is empty
	FS          vfs.FS // that Dir is on, as in agency.Config
	ID          string // of the agent; "": a new one
	LogStore    string // as in agency.Config
	Incarnation uint64 // as in Options
	Logger      hclog.Logger
}

// Restore makes an agent of a snapshot file: the only member of the next incarnation of the
// agency that the snapshot is of. o.Dir becomes its data directory.
func Restore(file []byte, o RestoreOptions) (Survivor, error) {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	head, state, err := agencyclient.ReadSnapshot(file)
	if err != nil {
		return Survivor{}, fmt.Errorf("restore a snapshot: %w", err)
	}
	after, err := Next(head.Origin, o.Incarnation)
	if err == nil {
		err = store.CheckEmpty(o.FS, o.Dir)
	}
	if err != nil {
		return Survivor{}, fmt.Errorf("restore a snapshot: %w", err)
	}
	d, err := store.Open(store.Config{ID: o.ID, Dir: o.Dir, FS: o.FS, LogStore: o.LogStore, Logger: o.Logger})
	if err != nil {
		return Survivor{}, fmt.Errorf("restore a snapshot: %w", err)
	}
	err = errors.Join(RestoreDisk(d, state, Move{From: head.Origin, To: after}), d.Close())
	s := Survivor{ID: d.ID, Before: head.Origin, After: after, RaftIndex: 1, RaftTerm: 1, Index: state.Index(), Changed: changedAt(state)}
	if err != nil {
		return s, fmt.Errorf("restore a snapshot as agent %s: %w", d.ID, err)
	}
	return s, nil
}

// RestoreDisk writes a state to an opened, empty disk, as the beginning of a later incarnation.
func RestoreDisk(d *store.Store, state *fsm.State, m Move) error {
	if pristine, err := d.Pristine(); err != nil || !pristine {
		return errors.Join(err, errors.New("there is a log already"))
	}
	if err := note.Write(d.Notes, note.Recovery, decision{What: restoring, Origin: m.To}); err != nil {
		return err
	}
	_, transport := raft.NewInmemTransport("")
	sink, err := d.Snapshots.Create(raft.SnapshotVersionMax, 1, 1, member.First(map[string]string{d.ID: unknownAddress}), 1, transport)
	if err != nil {
		return fmt.Errorf("create Raft's snapshot: %w", err)
	}
	if err := tree.SnapshotOf(m.tree(state)).Persist(sink); err != nil {
		return err
	}
	if err := d.Stable.SetUint64([]byte("CurrentTerm"), 1); err != nil {
		return fmt.Errorf("write Raft's term: %w", err)
	}
	return conclude(d, m.To)
}
