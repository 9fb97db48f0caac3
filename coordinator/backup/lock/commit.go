package lock

import (
	"context"
	"errors"
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// Commit writes the transaction that is the operation's commit point, and finds out whether it
// was applied. applied decides that from a tree that has what is below [keys.HotBackup]. Commit does
// not end with ctx: once the transaction is sent, its answer must be awaited.
//
// nil: committed. [ErrLost]: not committed, and it cannot be any more. An error that matches
// [operation.ErrOutcomeUnknown]: it may be committed. Any other: not committed. Commit clears the
// operation's undo list when the commit has happened, and when it may have happened.
func (l *Lock) Commit(ctx context.Context, tx agencyclient.Tx, applied func(root *agencyclient.Node) bool) error {
	if err := failpoint.Hit(ctx, "coordinator/backup/lock/commit", l.locker.Coordinator); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	write, cancel := context.WithTimeout(ctx, l.locker.Call)
	_, err := l.locker.Agency.Write(write, tx)
	cancel()
	if err == nil {
		l.op.Undo.Clear()
		return nil
	}
	if errors.Is(err, agencyclient.ErrUnavailable) || errors.Is(err, agencyclient.ErrRejected) {
		return operation.AgencyError(fmt.Errorf("commit: %w", err)) // certainly not applied
	}
	asking, cancel := context.WithTimeout(ctx, 2*l.locker.Call)
	defer cancel()
	done, askErr := l.outcome(asking, applied)
	switch {
	case askErr != nil:
		if !failpoint.Off("unknown-is-not-undone") {
			l.op.Undo.Clear()
		}
		return &apierror.Error{
			Num: apierror.ServiceUnavailable, Extra: map[string]any{apierror.Outcome: apierror.OutcomeUnknown}, Cause: errors.Join(operation.ErrOutcomeUnknown, err, askErr),
			Message: fmt.Sprintf("the outcome of the commit of %s is unknown (%v; %v): the DB servers complete or undo it when they reach the agency", l.op.ID, err, askErr),
		}
	case done:
		l.op.Undo.Clear()
		return nil
	case errors.Is(err, agencyclient.ErrPrecondition):
		return ErrLost
	}
	return operation.AgencyError(fmt.Errorf("commit: %w", err))
}

// outcome finds out whether a commit transaction was applied. If it was not, and the lock is still
// ours, the transaction may still arrive. So outcome releases the lock, after which the
// transaction cannot be applied any more, and reads again.
func (l *Lock) outcome(ctx context.Context, applied func(root *agencyclient.Node) bool) (bool, error) {
	var err error
	for try := 0; ; try++ {
		if try > 0 && wait.For(ctx, operation.RetryPause) != nil {
			return false, err
		}
		var root *agencyclient.Node
		if root, err = l.locker.Agency.Read(ctx, keys.HotBackup); err != nil {
			continue
		}
		if applied(root) {
			return true, nil
		}
		if root.At(keys.HotBackupNonce).Text() != l.op.Nonce || failpoint.Off("lost-commit-releases-lock") {
			return false, nil
		}
		if err = l.locker.Release(ctx, l.op.Nonce); err == nil {
			err = errors.New("the lock was released and still exists")
		}
	}
}
