package recovery

import (
	"errors"

	"stasis/agency/keys"
	"stasis/agency/note"
	"stasis/agency/origin"
	"stasis/agency/store"
)

// decision is the note of a recovery or a restore that has begun.
type decision struct {
	What   string      `json:"what"`
	Origin keys.Origin `json:"origin"`
}

const (
	recovering = "recover"
	restoring  = "restore"
)

// RefuseUnfinished says why an agent must not start from a directory, nil if it may: a recovery
// or a restore of it was begun and not finished.
func RefuseUnfinished(n note.Store) error {
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

// conclude gives the directory its origin, and removes the notes that say it is not ready.
func conclude(d *store.Store, o keys.Origin) error {
	if err := note.Write(d.Notes, note.Origin, origin.Founded{Origin: o}); err != nil {
		return err
	}
	if err := d.Notes.RemoveNote(note.Learner); err != nil {
		return err
	}
	return d.Notes.RemoveNote(note.Recovery)
}
