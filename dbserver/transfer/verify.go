package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// verified is what a verify has found.
type verified struct {
	backups  []dbclient.RemoteBackup
	problems []string
	note     string
}

// verify reads backups at the remote again, all or one, every byte, and says what is
// not as it was sent. Blobs that several need are read once. It marks blobs that are
// damaged, so that an upload sends them again. A backup that is deleted meanwhile is
// left out.
func (k *keeper) verify(ctx context.Context, id string) (verified, error) {
	s, err := k.look(ctx, "")
	if err != nil {
		return verified{}, err
	}
	ids := s.ids()
	if id != "" {
		if !slices.Contains(ids, id) {
			return verified{}, apierror.New(apierror.NotFound, "there is no backup %s at the remote", id)
		}
		ids = []string{id}
	}
	v := &verifier{keeper: k, shelf: s, checked: map[string]string{}}
	for _, id := range ids {
		if err := v.unlessDeleted(ctx, id); err != nil {
			return verified{}, err
		}
	}
	if v.marked > 0 {
		v.result.note = fmt.Sprintf("%d damaged blobs are marked: the next upload of a backup with their content, from a cluster that still has it, sends them again", v.marked)
	}
	return v.result, nil
}

type verifier struct {
	*keeper
	shelf   *shelf
	checked map[string]string // blob → what is wrong with it
	marked  int               // blobs that were marked now or before, and are still damaged
	result  verified
}

// unlessDeleted verifies a backup, and forgets what was found if it turns out to have
// been deleted at the same time: manifests that were there are not any more.
func (v *verifier) unlessDeleted(ctx context.Context, id string) error {
	before := len(v.result.problems)
	if err := v.backup(ctx, id); err != nil {
		return err
	}
	if len(v.result.problems) > before {
		now, err := v.look(ctx, id)
		if err != nil {
			return err
		}
		if v.shelf.backups[id] && !now.backups[id] || len(now.pieces[id]) < len(v.shelf.pieces[id]) {
			v.result.problems = v.result.problems[:before]
			return nil
		}
	}
	b, err := v.describe(ctx, v.shelf, id)
	v.result.backups = append(v.result.backups, b)
	return err
}

func (v *verifier) problem(format string, args ...any) {
	v.result.problems = append(v.result.problems, fmt.Sprintf(format, args...))
}

func (v *verifier) backup(ctx context.Context, id string) error {
	marks := map[string]pieceMark{}
	for _, server := range v.shelf.pieces[id] {
		marks[server] = pieceMark{}
	}
	m, err := readBackup(ctx, v.remote, id)
	switch {
	case errors.Is(err, ErrNotFound):
		v.problem("%s: not complete: %s is missing", id, fileBackup)
	case errors.Is(err, errDamaged):
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
	p, _, err := readPiece(ctx, v.remote, id, server, want)
	switch {
	case errors.Is(err, ErrNotFound):
		v.problem("%s: %s is missing", id, pieceName(id, server))
		return nil
	case errors.Is(err, errDamaged):
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
			v.problem("%s: %s of %s: %s %s", id, f.Name, server, blobName(f.SHA256), wrong)
		}
	}
	return nil
}

// blob reads one, twice if it is not as it should be: it may have been the way. It
// sets or takes away the blob's mark. wrong is what is wrong with it. One that cannot
// be read, at a remote that answers, is damaged too: some check what they have.
func (v *verifier) blob(ctx context.Context, f piece.File) (wrong string, err error) {
	for range 2 {
		err = patient{timing: v.timing}.again(ctx, func() error {
			wrong, err = readBlob(ctx, v.remote.(patient).Remote, f)
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
	name := blobName(f.SHA256)
	if !errors.Is(why, ErrNotFound) && ctx.Err() == nil {
		_, err = v.remote.Stat(ctx, name)
		if err == nil {
			return fmt.Sprintf("cannot be read: %v", why), nil
		}
	}
	if errors.Is(why, ErrNotFound) || errors.Is(err, ErrNotFound) {
		return isMissing, nil
	}
	return "", fmt.Errorf("read %s: %w", name, why)
}

// note sets or takes away a blob's mark, according to what is wrong with it. A remote
// that cannot be written to can still be verified: that there is no mark is a problem
// more.
func (v *verifier) note(ctx context.Context, f piece.File, wrong string) error {
	known := v.shelf.damaged[f.SHA256]
	switch {
	case wrong == "" && known:
		if err := unmark(ctx, v.remote, f.SHA256); err != nil {
			return err
		}
		delete(v.shelf.damaged, f.SHA256)
	case wrong != "":
		if !known {
			if err := mark(ctx, v.remote, f.SHA256, wrong); err != nil {
				v.problem("%v", err)
				return ctx.Err()
			}
		}
		v.shelf.damaged[f.SHA256] = true
		v.marked++
	}
	return nil
}
