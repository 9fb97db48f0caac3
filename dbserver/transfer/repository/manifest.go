package repository

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/storage"
	"stasis/internal/apierror"
)

// Content reads what the piece of a backup that source made consists of. It returns
// [apierror.NoSuchBackup] if the backup or the piece is not there.
func (r *Repository) Content(ctx context.Context, id, source string) (piece.Content, error) {
	b, err := r.readBackup(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return piece.Content{}, apierror.New(apierror.NoSuchBackup, "there is no backup %s at the remote", id)
	}
	if err != nil {
		return piece.Content{}, err
	}
	mark, found := b.Pieces[source]
	if !found {
		return piece.Content{}, apierror.New(apierror.NoSuchBackup, "backup %s at the remote has no piece of %s", id, source)
	}
	p, _, err := r.readPiece(ctx, id, source, mark.SHA256)
	return p.content(), err
}

// PutPiece writes a piece's manifest, unless it is there already, and returns what
// BACKUP.json is to say of it. All of the piece's blobs must be there.
func (r *Repository) PutPiece(ctx context.Context, content piece.Content) (PieceMark, error) {
	id, server := content.Piece.ID, content.Piece.ServerID
	there, mark, err := r.readPiece(ctx, id, server, "")
	if err == nil && there.Piece.Nonce == content.Piece.Nonce && slices.Equal(there.Files, content.Files) {
		return mark, nil
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, ErrDamaged) {
		return PieceMark{}, err
	}
	sum, err := r.putChecked(ctx, pieceName(id, server), pieceManifest{Format: formatNumber, Piece: content.Piece, Files: content.Files})
	return PieceMark{SHA256: sum, NrFiles: len(content.Files), Bytes: content.Bytes()}, err
}

// CompleteBackup writes the backup's manifest if the pieces of all servers are there. own
// is this server's, as PutPiece returned its mark. The last server to finish finds all
// pieces; if two finish together, both write the same. A backup that is deleted at the
// same moment stays deleted, see Delete.
func (r *Repository) CompleteBackup(ctx context.Context, own dbclient.Piece, mark PieceMark, servers []string) error {
	id := own.ID
	b := backupManifest{Format: formatNumber, ID: id, Pieces: map[string]PieceMark{}}
	for _, server := range servers {
		meta, itsMark := own, mark
		if server != own.ServerID {
			there, found, err := r.readPiece(ctx, id, server, "")
			if errors.Is(err, storage.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			meta, itsMark = there.Piece, found
		}
		if meta.Nonce != own.Nonce {
			return apierror.New(apierror.BackupConflict, "another backup %s is at the remote", id)
		}
		b.Pieces[server], b.DateTime, b.Version = itsMark, meta.DateTime, meta.Version
		b.PotentiallyInconsistent = b.PotentiallyInconsistent || meta.PotentiallyInconsistent
	}
	if _, err := r.putChecked(ctx, backupName(id), b); err != nil {
		return err
	}
	for _, server := range servers {
		if _, err := r.remote.Stat(ctx, pieceName(id, server)); err != nil {
			if errors.Is(err, storage.ErrNotFound) {
				err = apierror.New(apierror.BackupConflict, "backup %s was deleted at the remote meanwhile", id)
			}
			return errors.Join(err, r.remote.Remove(ctx, backupName(id)))
		}
	}
	return nil
}

// putChecked stores a manifest and reads it back.
func (r *Repository) putChecked(ctx context.Context, name string, value any) (sum string, err error) {
	data, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return "", err
	}
	if err := putBytes(ctx, r.remote, name, data); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	if err := r.readBack(ctx, name, data); err != nil {
		return "", err
	}
	return sumOf(data), nil
}

// readBack reads a manifest that was written. It reads again if it finds something else,
// because another server may be writing the same, and some remotes show a part of an
// object, or nothing, while it is replaced.
func (r *Repository) readBack(ctx context.Context, name string, want []byte) error {
	return r.Retry(ctx, func() error {
		back, err := getBytes(ctx, r.plain, name)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return fmt.Errorf("read %s back: it is not there", name)
		case err != nil:
			return fmt.Errorf("read %s back: %w", name, err)
		case !bytes.Equal(back, want):
			return fmt.Errorf("%w: %s was read back different", ErrDamaged, name)
		}
		return nil
	})
}

// readPiece reads PIECE.json; want is its hash, "" for any.
func (r *Repository) readPiece(ctx context.Context, id, server, want string) (m pieceManifest, mark PieceMark, err error) {
	name := pieceName(id, server)
	data, err := getBytes(ctx, r.remote, name)
	if err != nil {
		return m, mark, fmt.Errorf("read %s: %w", name, err)
	}
	mark.SHA256 = sumOf(data)
	if want != "" && mark.SHA256 != want {
		return m, mark, fmt.Errorf("%w: %s differs from the hash in %s", ErrDamaged, name, fileBackup)
	}
	if err := decode(name, data, &m); err != nil {
		return m, mark, err
	}
	if m.Format != formatNumber {
		return m, mark, fmt.Errorf("%w: %s has format %d, this version knows %d", storage.ErrFinal, name, m.Format, formatNumber)
	}
	if err := m.content().Check(); err != nil || m.Piece.ID != id || m.Piece.ServerID != server {
		return m, mark, fmt.Errorf("%w: %s: no piece of backup %s by %s: %w", ErrDamaged, name, id, server, err)
	}
	mark.NrFiles, mark.Bytes = len(m.Files), m.content().Bytes()
	return m, mark, nil
}

// readBackup reads BACKUP.json.
func (r *Repository) readBackup(ctx context.Context, id string) (m backupManifest, err error) {
	name := backupName(id)
	data, err := getBytes(ctx, r.remote, name)
	if err != nil {
		return m, fmt.Errorf("read %s: %w", name, err)
	}
	if err := decode(name, data, &m); err != nil {
		return m, err
	}
	switch {
	case m.Format != formatNumber:
		return m, fmt.Errorf("%w: %s has format %d, this version knows %d", storage.ErrFinal, name, m.Format, formatNumber)
	case m.ID != id || len(m.Pieces) == 0:
		return m, fmt.Errorf("%w: %s is not of backup %s", ErrDamaged, name, id)
	}
	return m, nil
}
