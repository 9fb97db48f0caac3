package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"stasis/dbserver/backup/piece"
	"stasis/internal/apierror"
)

// kindReceived marks the pending folder of a piece that comes from elsewhere. The agency
// knows nothing of it, and Resolve leaves it alone. It stays until it is published or
// discarded or its backup is deleted, so that what has arrived is not fetched again.
const kindReceived = "received"

// Incoming has the pieces that arrive from elsewhere. Its methods may be called from any
// goroutine.
type Incoming struct {
	home
	pieces *Published
	turns  *turns
}

// Receive begins to receive a piece, or continues with one whose process died. The
// caller receives a backup once at a time. Receive returns [apierror.BackupDownload] for
// content that is no piece's, and [apierror.BackupConflict] for a piece that is published
// already or is being made here.
func (in *Incoming) Receive(ctx context.Context, c piece.Content) (*Receiving, error) {
	if err := c.Check(); err != nil {
		return nil, apierror.New(apierror.BackupDownload, "piece of backup %s: %w", c.Piece.ID, err)
	}
	id := c.Piece.ID
	_, end, err := in.turns.begin(ctx, id)
	if err != nil {
		return nil, err
	}
	defer end()
	if found, err := in.published(id).Exists(); err != nil || found {
		return nil, errors.Join(err, conflict(id, found))
	}
	err = in.isReceived(id)
	if errors.Is(err, errNotPending) {
		if err = in.makePending(attemptFile{ID: id, Nonce: kindReceived, Kind: kindReceived}); err != nil {
			err = fmt.Errorf("receive piece %s: %w", id, err)
		}
	}
	if err != nil {
		return nil, err
	}
	folder := in.pending(id)
	return &Receiving{disk: in.disk, folder: folder, content: c, byHash: in.pieces.byHash}, in.disk.MakeDir(folder.EngineDir())
}

// errNotPending: the piece has no pending folder.
var errNotPending = errors.New("no pending piece")

// isReceived returns errNotPending if nothing of the piece is pending, and
// apierror.BackupConflict if what is pending is being made here.
func (in *Incoming) isReceived(id string) error {
	found, err := in.pending(id).Exists()
	if err != nil {
		return err
	}
	if !found {
		return errNotPending
	}
	f, err := in.attempt(id)
	if err != nil {
		return err
	}
	return conflict(id, f.Kind != kindReceived)
}

// Publish publishes a piece that has arrived. All files must be there. Publish checks
// that, removes what an earlier attempt left beside them, and checks that META vouches
// for manifest and agency dump.
func (in *Incoming) Publish(ctx context.Context, r *Receiving) error {
	id := r.content.Piece.ID
	_, end, err := in.turns.begin(ctx, id)
	if err != nil {
		return err
	}
	defer end()
	if err := in.isReceived(id); err != nil {
		return fmt.Errorf("publish received piece %s: %w", id, err)
	}
	if err := r.complete(); err != nil {
		return fmt.Errorf("publish received piece %s: %w", id, err)
	}
	if err := errors.Join(in.disk.SyncDir(r.folder.EngineDir()), in.disk.SyncDir(r.folder.Path())); err != nil {
		return err
	}
	return in.disk.Move(r.folder.Path(), in.publishedPath(id))
}

// Discard removes what has arrived of a piece that is not published. It is no error if
// there is nothing. Discard leaves alone what a backup is making.
func (in *Incoming) Discard(ctx context.Context, id string) error {
	_, end, err := in.turns.begin(ctx, id)
	if err != nil {
		return err
	}
	defer end()
	switch err := in.isReceived(id); {
	case err == nil:
		return in.disk.Discard(in.pendingPath(id))
	case errors.Is(err, errNotPending), errors.Is(err, apierror.BackupConflict), errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return err
	}
}
