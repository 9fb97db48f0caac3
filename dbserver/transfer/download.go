package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stasis/dbserver/backup"
	"stasis/dbserver/backup/piece"
	"stasis/internal/apierror"
)

// download fetches the piece that source made, checks every byte, and publishes it.
// What has arrived when it is cut off stays, hidden, for the next attempt; not if
// the disk is full, since then it would be in the way.
func (m *mover) download(ctx context.Context, id, source string) error {
	b, err := readBackup(ctx, m.remote, id)
	if errors.Is(err, ErrNotFound) {
		return apierror.New(apierror.NoSuchBackup, "there is no backup %s at the remote", id)
	}
	if err != nil {
		return err
	}
	mark, found := b.Pieces[source]
	if !found {
		return apierror.New(apierror.NoSuchBackup, "backup %s at the remote has no piece of %s", id, source)
	}
	p, _, err := readPiece(ctx, m.remote, id, source, mark.SHA256)
	if err != nil {
		return err
	}
	content := p.content()
	m.progress.expect(len(content.Files), content.Bytes())
	if there, err := m.alreadyHere(ctx, content); there || err != nil {
		return err
	}
	r, err := m.pieces.Incoming.Receive(ctx, content)
	if err != nil {
		return err
	}
	_, err = lookIn(ctx, m.remote, content.Files, m.atOnce, func(string) bool { return true }) // a remote may remember what it listed, and open it without asking again
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

// alreadyHere: a piece that is published and intact need not be fetched. One that is
// not intact must be deleted by somebody who has seen what is wrong with it.
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

// fetch brings one file, from this server if it is here, else from the remote. An empty
// one is known without asking.
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

// get reads a blob. A stream that breaks, or brings something else than announced,
// is read again: it may have been the way. In the end the blob is named, and marked.
func (m *mover) get(ctx context.Context, r *backup.Receiving, f piece.File) error {
	name := blobName(f.SHA256)
	err := patient{timing: m.timing}.again(ctx, func() error {
		in, err := m.remote.Open(ctx, name)
		if err != nil {
			return err
		}
		err = r.Write(ctx, f, &limited{in: in, ctx: ctx, limit: m.limit, count: m.progress.moved})
		if errors.Is(err, apierror.NoSpace) {
			err = fmt.Errorf("%w: %w", errLocal, err)
		}
		return errors.Join(err, in.Close())
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%w: %s is missing", errDamaged, name)
	case errors.Is(err, backup.ErrContent):
		return errors.Join(fmt.Errorf("%w: %s: %w", errDamaged, name, err), mark(ctx, m.remote, f.SHA256, err.Error()))
	}
	return err
}
