package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Delete removes a backup: the pieces on all DB servers, then its record in the
// agency. If a server cannot be reached the others' pieces are removed and the
// error names it; the record stays, so that deleting again finishes the work. A
// backup that is nowhere is 404.
func (s *Service) Delete(ctx context.Context, id string) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	c, root, err := s.current(ctx)
	if err != nil {
		return err
	}
	var h keys.Holder
	if root.At(keys.HotBackupHolder).Decode(&h) == nil && h.ID == id && root.At(keys.HotBackupCreate).Exists() {
		return apierror.New(apierror.BackupConflict, "backup %s is not deleted: %s of it is under way (coordinator %s)", id, h.Operation, h.Coordinator)
	}
	// Once begun it goes on without its client: half of the pieces are no backup.
	ctx, done := s.afterCommit(ctx, s.Timing.Deaf+s.Timing.Agency)
	defer done()
	answers := ask(ctx, c.members, s.Timing.Deaf, nil, func(ctx context.Context, m member) (struct{}, error) {
		return struct{}{}, s.Servers.Delete(ctx, m.target, dbserver.PieceRequest{ID: id})
	})
	commit, found := c.commits[id]
	var failed []string
	for _, a := range answers {
		switch {
		case a.err == nil:
			found = true
		case !absent(a.err):
			failed = append(failed, a.err.Error())
		}
	}
	if len(failed) > 0 {
		return apierror.New(apierror.BackupServersMissing, "backup %s is not deleted on all DB servers: %s", id, strings.Join(failed, "; "))
	}
	if !found {
		return apierror.New(apierror.NotFound, "there is no backup %s", id)
	}
	if err := s.forget(ctx, commit); err != nil {
		return err
	}
	s.Logger.Info("backup deleted", "id", id)
	return nil
}

// absent: the server has no such piece, perhaps because that is no backup's id.
func absent(err error) bool {
	return errors.Is(err, apierror.FileNotFound) || errors.Is(err, apierror.NotFound) || errors.Is(err, apierror.BadParameter)
}

// forget removes the record of a committed backup. A piece that its server has
// not published yet is then removed by that server.
func (s *Service) forget(ctx context.Context, commit keys.Commit) error {
	if commit.ID == "" {
		return nil // a failsafe backup has no record
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timing.Agency)
	defer cancel()
	key := keys.HotBackupCommit(commit.ID)
	_, err := s.Agency.Write(ctx, agency.Tx{
		Ops: map[string]any{key: agency.Delete()},
		Pre: map[string]any{key + "/nonce": agency.Old(commit.Nonce)},
	})
	if err != nil && !errors.Is(err, agency.ErrPrecondition) { // somebody else has deleted it
		return agencyError(fmt.Errorf("delete the record of %s: %w", commit.ID, err))
	}
	return nil
}
