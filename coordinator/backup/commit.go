package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/step"
)

// ErrOutcomeUnknown marks the error of an operation whose commit could not be
// followed up: it may have happened. Nothing was taken back; the DB servers ask
// the agency when they reach it, and finish or remove what they have.
var ErrOutcomeUnknown = errors.New("outcome unknown")

// commit is step 9, the commit point: one transaction that records the backup and
// deletes the lock, if the lock is still ours, and if every server that has a piece is
// still a member: Plan has thawed.
func (c *create) commit(ctx context.Context) error {
	c.emit(ctx, step.Event{Step: step.Committing})
	if ctx.Err() != nil { // the last moment at which the client can change its mind
		return context.Cause(ctx)
	}
	tx := agency.Tx{
		Ops: map[string]any{
			keys.HotBackupCommit(c.id): agency.Set(keys.Commit{
				ID: c.id, Nonce: c.nonce, DateTime: c.moment.DateTime(), Servers: ids(c.cluster.members),
				PotentiallyInconsistent: c.marked, CertificateSHA256: c.linked.certSHA256,
			}),
			keys.HotBackupCreate: agency.Delete(),
			keys.HotBackupHolder: agency.Delete(),
		},
		Pre: c.locked(),
	}
	for _, m := range c.cluster.members {
		tx.Pre[keys.PlanDBServers+"/"+m.id] = agency.OldEmpty(false)
	}
	if failpoint.Off("create-requires-lock") {
		tx.Pre = nil
	}
	err := c.commitOnce(ctx, tx, func(root *agency.Node) bool {
		return root.At(keys.HotBackupCommit(c.id)).At("nonce").Text() == c.nonce
	})
	if errors.Is(err, errLockLost) {
		return cmp.Or(c.removedMeanwhile(ctx), err)
	}
	if err != nil {
		return err
	}
	c.emit(ctx, step.Event{Step: step.Committed})
	return nil
}

// removedMeanwhile is an error that names the servers which have left the cluster since
// the backup began; nil if none has, or that cannot be told.
func (c *create) removedMeanwhile(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Timing.Agency)
	defer cancel()
	root, err := c.Agency.Read(ctx, keys.PlanDBServers)
	if err != nil {
		c.log.Debug("not known whether a DB server was removed", "error", err)
		return nil
	}
	var gone []string
	for _, m := range c.cluster.members {
		if !root.At(keys.PlanDBServers + "/" + m.id).Exists() {
			gone = append(gone, m.id)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return apierror.New(apierror.BackupCreate, "%s was removed from the cluster while the backup was made; make another one", c.cluster.named(gone))
}

// commitOnce writes the transaction that is an operation's commit point and finds
// out whether it was applied; applied looks at what lies below keys.HotBackup. It
// does not end with ctx: once sent, the answer is worth waiting for. The undo list
// is emptied when the commit has happened, and when nobody knows.
func (op *operation) commitOnce(ctx context.Context, tx agency.Tx, applied func(root *agency.Node) bool) error {
	if err := failpoint.Hit(ctx, "coordinator/backup/commit", op.ID); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	write, cancel := context.WithTimeout(ctx, op.Timing.Agency)
	_, err := op.Agency.Write(write, tx)
	cancel()
	if err == nil {
		op.undo.clear()
		return nil
	}
	if errors.Is(err, agency.ErrUnavailable) || errors.Is(err, agency.ErrRejected) {
		return agencyError(fmt.Errorf("commit: %w", err)) // it was certainly not applied
	}
	settling, cancel := context.WithTimeout(ctx, 2*op.Timing.Agency)
	defer cancel()
	done, serr := op.settle(settling, applied)
	switch {
	case serr != nil:
		if !failpoint.Off("unknown-is-not-undone") {
			op.undo.clear()
		}
		return &apierror.Error{
			Num: apierror.ServiceUnavailable, Cause: errors.Join(ErrOutcomeUnknown, err, serr),
			Message: fmt.Sprintf("the outcome of the commit of %s is unknown (%v; %v); the DB servers will decide by what the agency says", op.id, err, serr),
		}
	case done:
		op.undo.clear()
		return nil
	case errors.Is(err, agency.ErrPrecondition):
		return errLockLost
	}
	return agencyError(fmt.Errorf("commit: %w", err))
}

// settle finds out whether a commit transaction was applied. If it is not there
// although the lock is still ours, it may yet arrive: so the lock is released
// first, after which it cannot be applied any more, and then the key is read again.
func (op *operation) settle(ctx context.Context, applied func(root *agency.Node) bool) (bool, error) {
	var err error
	for try := 0; ; try++ {
		if try > 0 && pause(ctx, undoPause) != nil {
			return false, err
		}
		var root *agency.Node
		if root, err = op.Agency.Read(ctx, keys.HotBackup); err != nil {
			continue
		}
		if applied(root) {
			return true, nil
		}
		if root.At(keys.HotBackupNonce).Text() != op.nonce || failpoint.Off("settle-releases-lock") {
			return false, nil
		}
		if err = release(ctx, op.Agency, op.nonce); err == nil {
			err = errors.New("the lock was released but is still there")
		}
	}
}
