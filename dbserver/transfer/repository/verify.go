package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/storage"
	"stasis/internal/apierror"
)

// Verified is what a verify has found.
type Verified struct {
	Backups  []dbclient.RemoteBackup
	Problems []string
	Note     string
}

// Verify reads backups at the remote again, all or one, every byte, and says what is not
// as it was sent. It reads a blob that several backups need once. It marks blobs that are
// damaged, so that an upload sends them again. It leaves out a backup that is deleted
// meanwhile. If trust has keys, Verify checks certificates and signatures, too.
func (r *Repository) Verify(ctx context.Context, id string, trust certificate.Trust) (Verified, error) {
	x, err := r.index(ctx, "")
	if err != nil {
		return Verified{}, err
	}
	ids := x.ids()
	if id != "" {
		if !slices.Contains(ids, id) {
			return Verified{}, apierror.New(apierror.NotFound, "there is no backup %s at the remote", id)
		}
		ids = []string{id}
	}
	v := &verifier{at: r, index: x, trust: trust, checked: map[string]string{}}
	for _, id := range ids {
		if err := v.unlessDeleted(ctx, id); err != nil {
			return Verified{}, err
		}
	}
	if v.marked > 0 {
		v.result.Note = fmt.Sprintf("%d damaged blobs are marked: the next upload of a backup with their content, from a cluster that still has it, sends them again", v.marked)
	}
	return v.result, nil
}

type verifier struct {
	at      *Repository
	index   *index
	trust   certificate.Trust
	checked map[string]string // blob → what is wrong with it
	marked  int               // blobs that are marked, now or before, and are still damaged
	result  Verified
}

// unlessDeleted verifies a backup. It forgets what it found if the backup turns out to
// have been deleted at the same time: manifests that were there are gone.
func (v *verifier) unlessDeleted(ctx context.Context, id string) error {
	before := len(v.result.Problems)
	if err := v.backup(ctx, id); err != nil {
		return err
	}
	signature, problems, err := judge(ctx, v.at, v.trust, id, v.index.pieces[id])
	if err != nil {
		return err
	}
	for _, why := range problems {
		v.problem("%s: %s", id, why)
	}
	if len(v.result.Problems) > before {
		now, err := v.at.index(ctx, id)
		if err != nil {
			return err
		}
		if v.index.backups[id] && !now.backups[id] || len(now.pieces[id]) < len(v.index.pieces[id]) {
			v.result.Problems = v.result.Problems[:before]
			return nil
		}
	}
	b, err := v.at.describe(ctx, v.index, id)
	b.Signature = signature
	v.result.Backups = append(v.result.Backups, b)
	return err
}

func (v *verifier) problem(format string, args ...any) {
	v.result.Problems = append(v.result.Problems, fmt.Sprintf(format, args...))
}

func (v *verifier) backup(ctx context.Context, id string) error {
	marks := map[string]PieceMark{}
	for _, server := range v.index.pieces[id] {
		marks[server] = PieceMark{}
	}
	m, err := v.at.readBackup(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		v.problem("%s: not complete: %s is missing", id, fileBackup)
	case errors.Is(err, ErrDamaged):
		v.problem("%s: %v", id, err)
	case err != nil:
		return err
	}
	maps.Copy(marks, m.Pieces)
	for _, server := range slices.Sorted(maps.Keys(marks)) {
		if _, listed := m.Pieces[server]; !listed && len(m.Pieces) > 0 {
			v.problem("%s: the piece of %s is not in %s", id, server, fileBackup)
		}
		if err := v.piece(ctx, id, server, marks[server].SHA256); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) piece(ctx context.Context, id, server, want string) error {
	p, _, err := v.at.readPiece(ctx, id, server, want)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		v.problem("%s: %s is missing", id, pieceName(id, server))
		return nil
	case errors.Is(err, ErrDamaged):
		v.problem("%s: %v", id, err)
		return nil
	case err != nil:
		return err
	}
	for _, f := range p.Files {
		wrong, known := v.checked[f.SHA256]
		if !known {
			if wrong, err = v.blob(ctx, f); err != nil {
				return err
			}
			v.checked[f.SHA256] = wrong
		}
		if wrong != "" {
			v.problem("%s: %s of %s: %s %s", id, f.Name, server, BlobName(f.SHA256), wrong)
		}
	}
	return nil
}

// blob reads one, twice if it is not as it should be: the way may have damaged it. It
// sets or removes the blob's mark. wrong is what is wrong with it. A blob that cannot be
// read, at a remote that answers, is damaged too: some remotes check what they have.
func (v *verifier) blob(ctx context.Context, f piece.File) (wrong string, err error) {
	for range 2 {
		err = v.at.Retry(ctx, func() error {
			wrong, err = v.at.readBlob(ctx, f)
			return err
		})
		if err != nil {
			wrong, err = v.unreadable(ctx, f, err)
		}
		if err != nil || wrong == isMissing {
			return wrong, err
		}
		if wrong == "" {
			break
		}
	}
	return wrong, v.note(ctx, f, wrong)
}

const isMissing = "is missing"

// unreadable tells a blob that cannot be read from a remote that cannot be asked.
func (v *verifier) unreadable(ctx context.Context, f piece.File, why error) (wrong string, err error) {
	name := BlobName(f.SHA256)
	if !errors.Is(why, storage.ErrNotFound) && ctx.Err() == nil {
		_, err = v.at.remote.Stat(ctx, name)
		if err == nil {
			return fmt.Sprintf("cannot be read: %v", why), nil
		}
	}
	if errors.Is(why, storage.ErrNotFound) || errors.Is(err, storage.ErrNotFound) {
		return isMissing, nil
	}
	return "", fmt.Errorf("read %s: %w", name, why)
}

// note sets or removes a blob's mark, according to what is wrong with it. A remote that
// cannot be written to can still be verified: a mark that cannot be written is one more
// problem.
func (v *verifier) note(ctx context.Context, f piece.File, wrong string) error {
	known := v.index.damaged[f.SHA256]
	switch {
	case wrong == "" && known:
		if err := unmark(ctx, v.at.remote, f.SHA256); err != nil {
			return err
		}
		delete(v.index.damaged, f.SHA256)
	case wrong != "":
		if !known {
			if err := v.at.Mark(ctx, f.SHA256, wrong); err != nil {
				v.problem("%v", err)
				return ctx.Err()
			}
		}
		v.index.damaged[f.SHA256] = true
		v.marked++
	}
	return nil
}
