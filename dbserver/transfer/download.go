package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"stasis/client/certificate"
	"stasis/dbserver/backup"
	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/repository"
	"stasis/dbserver/transfer/storage"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
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
	err = m.arrive(ctx, r, content)
	if err == nil && m.aborted != nil && m.aborted(ctx) { // the watch may not have seen it yet
		return errors.Join(errAborted, m.pieces.Incoming.Discard(ctx, id))
	}
	if err == nil {
		err = m.pieces.Incoming.Publish(ctx, r)
	}
	if errors.Is(err, apierror.NoSpace) || errors.Is(context.Cause(ctx), errAborted) {
		err = errors.Join(err, m.pieces.Incoming.Discard(ctx, id))
	}
	return err
}

// arrive fetches all files. It fetches the certificate first: what a refused one vouches for need
// not arrive.
func (m *mover) arrive(ctx context.Context, r *backup.Receiving, content piece.Content) error {
	if err := m.remote.Warm(ctx, content.Files, m.atOnce); err != nil {
		return err
	}
	first, others := split(content.Files, piece.FileCertificate)
	if err := m.each(ctx, first, m.fetch(r)); err != nil {
		return err
	}
	raw, err := r.Certificate()
	if err != nil {
		return err
	}
	if err := m.judge(content.Piece, raw); err != nil {
		return err
	}
	if err := m.each(ctx, others, m.fetch(r)); err != nil {
		return err
	}
	sealed, err := r.Sealed()
	if err != nil {
		return err
	}
	return m.judge(sealed.Piece, sealed.Certificate)
}

// split divides files into those with a name and the others.
func split(files []piece.File, name string) (named, others []piece.File) {
	for _, f := range files {
		if f.Name == name {
			named = append(named, f)
		} else {
			others = append(others, f)
		}
	}
	return named, others
}

// judge refuses a piece whose certificate is refused, or, if it is signed, is not of this piece.
func (m *mover) judge(p dbclient.Piece, raw json.RawMessage) error {
	signature, err := m.trust.Judge(map[string]json.RawMessage{p.ServerID: raw})
	if failpoint.Off("download-checks-signature") {
		return nil
	}
	if err == nil && signature.Status == certificate.Signed {
		var cert *certificate.Certificate
		if cert, err = certificate.Parse(raw); err == nil {
			if problems := cert.ProblemsOf(p); len(problems) > 0 {
				err = fmt.Errorf("the piece of %s is not the one that was signed: %s", p.ServerID, strings.Join(problems, "; "))
			}
		}
	}
	if err != nil {
		return apierror.New(apierror.BackupDownload, "backup %s: %w", p.ID, err)
	}
	return nil
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
	if err := m.judge(v.Piece, v.Certificate); err != nil {
		return false, err
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
