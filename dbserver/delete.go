package dbserver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// naming is held from what the agency says about a piece until the piece has, or has
// lost, its name by it: one at a time. Waiting ends with the context.
type naming chan struct{}

func (n naming) enter(ctx context.Context) (leave func(), err error) {
	select {
	case n <- struct{}{}:
		return func() { <-n }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another piece: %w", context.Cause(ctx))
	}
}

// delete removes this server's piece of a backup that the agency says is deleted,
// and then says so there. It goes by the agency and not by its caller, whose request
// may come late: a backup of that id may be here again by then. Without the agency's
// word a piece stays and the answer is BackupConflict; FileNotFound if there is none. What
// a download has left of the backup is given back in any case.
func (s *Server) delete(ctx context.Context, q dbclient.PieceRequest) (nothing, error) {
	leave, err := s.naming.enter(ctx)
	if err != nil {
		return nothing{}, err
	}
	defer leave()
	lock, err := s.readLock(ctx)
	if err != nil {
		return nothing{}, err
	}
	if slices.Contains(lock.deleted, q.ID) || failpoint.Off("delete-if-deleted") {
		return nothing{}, s.removeFor(ctx, q.ID)
	}
	err = s.pieces.Load().Published.Find(q.ID)
	if err == nil {
		return nothing{}, apierror.New(apierror.BackupConflict, "backup %s is not deleted: the agency does not say so", q.ID)
	}
	return nothing{}, errors.Join(err, s.forgetDownload(ctx, q.ID))
}

// removeDeleted removes the pieces of all backups that were deleted while this server
// was away. Its caller holds naming.
func (s *Server) removeDeleted(ctx context.Context) error {
	lock, err := s.readLock(ctx)
	for _, id := range lock.deleted {
		s.log.Info("removing the piece of a deleted backup", "id", id)
		err = errors.Join(err, s.removeFor(ctx, id))
	}
	return err
}

// removeFor removes a piece, if there is one, and then the agency's wish that it go.
// The wish is last: until it is gone nobody can bring a backup of that id here.
func (s *Server) removeFor(ctx context.Context, id string) error {
	err := s.pieces.Load().Published.Delete(id)
	if errors.Is(err, apierror.FileNotFound) || errors.Is(err, apierror.BadParameter) { // it never had one
		err = nil
	}
	if err = errors.Join(err, s.forgetDownload(ctx, id)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timing.Agency)
	defer cancel()
	if _, err := s.agency.Write(ctx, agencyclient.Tx{Ops: map[string]any{keys.HotBackupDeletion(s.id, id): agencyclient.Delete()}}); err != nil {
		return fmt.Errorf("report that the piece of %s is removed: %w", id, err)
	}
	return nil
}

// forgetDownload gives back the space of what a download has left of a backup.
func (s *Server) forgetDownload(ctx context.Context, id string) error {
	if err := s.moves.Load().Forget(ctx, id); !errors.Is(err, apierror.BadParameter) {
		return err
	}
	return nil
}
