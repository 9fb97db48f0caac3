package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stasis/dbserver/backup"
	"stasis/dbserver/backup/piece"
	"stasis/dbserver/transfer/repository"
	"stasis/dbserver/transfer/storage"
	"stasis/internal/apierror"
)

// download fetches the piece that source made, checks every byte, and publishes it. When
// it is cut off, what has arrived stays, hidden, for the next attempt. It removes what
// has arrived if the disk is full or the transfer was aborted.
func (m *mover) download(ctx context.Context, id, source string) error {
	content, err := m.remote.Content(ctx, id, source)
	if err != nil {
		return err
	}
	m.progress.expect(len(content.Files), content.Bytes())
	if there, err := m.alreadyHere(ctx, content); there || err != nil {
		return err
	}
	r, err := m.pieces.Incoming.Receive(ctx, content)
	if err != nil {
		return err
	}
	err = m.remote.Warm(ctx, content.Files, m.atOnce)
	if err == nil {
		err = m.each(ctx, content.Files, m.fetch(r))
	}
	if err == nil {
		err = m.pieces.Incoming.Publish(ctx, r)
	}
	if errors.Is(err, apierror.NoSpace) || errors.Is(context.Cause(ctx), errAborted) {
		err = errors.Join(err, m.pieces.Incoming.Discard(ctx, id))
	}
	return err
}

// alreadyHere says whether the piece is published here and intact: then nothing is
// fetched. A damaged piece is an error, because a person who has seen what is wrong with
// it must delete it.
func (m *mover) alreadyHere(ctx context.Context, want piece.Content) (bool, error) {
	id := want.Piece.ID
	have, err := m.pieces.Published.Content(ctx, id)
	if errors.Is(err, apierror.FileNotFound) {
		return false, nil
	}
	if err == nil && (have.Piece.ServerID != want.Piece.ServerID || have.Piece.Nonce != want.Piece.Nonce) {
		return false, apierror.New(apierror.BackupConflict, "another piece of backup %s is here already, of %s", id, have.Piece.ServerID)
	}
	v, verr := m.pieces.Published.Verify(ctx, id)
	if verr != nil {
		return false, verr
	}
	if len(v.Problems) > 0 || err != nil {
		return false, apierror.New(apierror.BackupConflict, "backup %s is here already, but damaged; delete it first: %s", id, strings.Join(v.Problems, "; "))
	}
	m.progress.allDone()
	return true, nil
}

// fetch brings one file: from this server if it is here, else from the remote. An empty
// file needs no call to the remote.
func (m *mover) fetch(r *backup.Receiving) func(context.Context, piece.File) error {
	return func(ctx context.Context, f piece.File) error {
		here, err := r.Have(ctx, f)
		switch {
		case err != nil || here:
		case f.Size == 0:
			err = r.Write(ctx, f, strings.NewReader(""))
		default:
			err = m.get(ctx, r, f)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		m.progress.done(f.Size)
		return nil
	}
}

// get reads a blob. It repeats a read that breaks off or returns something else than was
// announced, because the way may have damaged it. If the last one does so too, the error
// names the blob, and the blob is marked.
func (m *mover) get(ctx context.Context, r *backup.Receiving, f piece.File) error {
	err := m.remote.Retry(ctx, func() error {
		in, err := m.remote.OpenBlob(ctx, f)
		if err != nil {
			return err
		}
		err = r.Write(ctx, f, storage.Limited(ctx, in, m.limit, m.progress.moved))
		if errors.Is(err, apierror.NoSpace) {
			err = fmt.Errorf("%w: %w", storage.ErrLocal, err)
		}
		return errors.Join(err, in.Close())
	})
	name := repository.BlobName(f.SHA256)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return fmt.Errorf("%w: %s is missing", repository.ErrDamaged, name)
	case errors.Is(err, backup.ErrContent):
		return errors.Join(fmt.Errorf("%w: %s: %w", repository.ErrDamaged, name, err), m.remote.Mark(ctx, f.SHA256, err.Error()))
	}
	return err
}
