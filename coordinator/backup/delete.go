package backup

import (
	"context"
	"errors"
	"fmt"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// deleteTries bounds how often a deletion begins anew because something changed.
const deleteTries = 10

// Delete removes a backup. One agency transaction is the commit point: it takes the
// record away and says of every DB server that its piece has to go. From then on the
// backup is listed nowhere. A server that removes its piece says so itself, in the
// agency; one that is down does it when it is back (Pending names it), whatever becomes
// of this coordinator. A backup that is nowhere is 404.
func (s *Service) Delete(ctx context.Context, id string) (DeleteResult, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return DeleteResult{}, err
	}
	defer leave()
	for range deleteTries {
		c, root, err := s.current(ctx)
		if err != nil {
			return DeleteResult{}, err
		}
		if err := s.mayDelete(ctx, c, root, id); err != nil {
			return DeleteResult{}, err
		}
		err = s.writeDeletion(ctx, c, root, id)
		if errors.Is(err, agency.ErrPrecondition) {
			continue
		}
		if err != nil {
			return DeleteResult{}, agencyError(fmt.Errorf("delete %s: %w", id, err))
		}
		pending := s.removePieces(ctx, c, id)
		s.Logger.Info("backup deleted", "id", id, "pending", pending)
		result := DeleteResult{ID: []string{id}, Pending: pending}
		if len(pending) > 0 {
			result.ShortNames = c.names
		}
		return result, nil
	}
	return DeleteResult{}, apierror.New(apierror.BackupConflict, "backup %s is not deleted: backups and servers came and went meanwhile; try again", id)
}

// mayDelete says why a backup cannot be deleted; nil if it is there.
func (s *Service) mayDelete(ctx context.Context, c *cluster, root *agency.Node, id string) error {
	var h keys.Holder
	if root.At(keys.HotBackupHolder).Decode(&h) == nil && h.ID == id && root.At(keys.HotBackupCreate).Exists() {
		return apierror.New(apierror.BackupConflict, "backup %s is not deleted: %s of it is under way (coordinator %s)", id, h.Operation, h.Coordinator)
	}
	if _, recorded := c.commits[id]; recorded {
		return nil
	}
	// One that was downloaded, or set aside by a restore, has no record. A server that
	// has a piece refuses to remove it without the agency's word.
	answers := ask(ctx, c.members, s.Timing.Answer, nil, func(ctx context.Context, m member) (struct{}, error) {
		return struct{}{}, s.Servers.Delete(ctx, m.target, dbserver.PieceRequest{ID: id})
	})
	other := func(err error) bool { return !absent(err) }
	switch {
	case firstOf(answers, func(err error) bool { return errors.Is(err, apierror.BackupConflict) }) != nil:
		return nil
	case len(c.doomed[id]) > 0:
		return apierror.New(apierror.NotFound, "backup %s is deleted already; the pieces go as soon as their servers are there: %s", id, c.named(c.doomed[id]))
	case firstOf(answers, other) != nil:
		return unavailable("whether there is a backup "+id+" cannot be told", firstOf(answers, other))
	}
	return apierror.New(apierror.NotFound, "there is no backup %s", id)
}

// writeDeletion is the commit point. Everything that was looked at is a precondition:
// the record, the servers, and that no create or restore has taken the lock meanwhile.
func (s *Service) writeDeletion(ctx context.Context, c *cluster, root *agency.Node, id string) error {
	ctx, cancel := s.afterCommit(ctx, s.Timing.Agency)
	defer cancel()
	tx := agency.Tx{Ops: map[string]any{keys.HotBackupDeletes: agency.Increment(1)}, Pre: map[string]any{}}
	for _, key := range []string{keys.HotBackupCommit(id), keys.HotBackupNonce, keys.PlanDBServers} {
		tx.Pre[key] = agency.Exactly(root.At(key))
	}
	if root.At(keys.HotBackupCommit(id)).Exists() {
		tx.Ops[keys.HotBackupCommit(id)] = agency.Delete()
	}
	deletion := keys.Deletion{Coordinator: s.ID, Since: now().DateTime()}
	// Not those that were removed from the cluster: one that comes back sees by the count
	// of deletions that it has to ask which of its pieces are still a backup's.
	for _, m := range c.members {
		tx.Ops[keys.HotBackupDeletion(m.id, id)] = agency.Set(deletion)
	}
	_, err := s.Agency.Write(ctx, tx)
	return err
}

// removePieces tells the servers at once what the agency would tell them. It returns
// those that have not done it yet.
func (s *Service) removePieces(ctx context.Context, c *cluster, id string) (pending []string) {
	ctx, done := s.afterCommit(ctx, s.Timing.Deaf)
	defer done()
	answers := ask(ctx, c.members, s.Timing.Deaf, nil, func(ctx context.Context, m member) (struct{}, error) {
		return struct{}{}, s.Servers.Delete(ctx, m.target, dbserver.PieceRequest{ID: id})
	})
	for _, a := range answers {
		if a.err != nil && !absent(a.err) {
			pending = append(pending, a.id)
			s.Logger.Warn("piece of a deleted backup is not removed yet; its server will do it", "id", id, "error", a.err)
		}
	}
	return pending
}

// absent: the server has no such piece, perhaps because that is no backup's id.
func absent(err error) bool {
	return errors.Is(err, apierror.FileNotFound) || errors.Is(err, apierror.NotFound) || errors.Is(err, apierror.BadParameter)
}
