package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/event"
	"stasis/internal/wait"
)

// Thaw ends the freeze of Plan and keeps the lock. The agency then shows the phase next. The
// precondition shows that the lock, and so the freeze, lasted from Index until now; [ErrLost] means
// that it did not.
//
// Thaw repeats a transaction whose answer is lost, for up to a lease: it sets the same value.
func (l *Lock) Thaw(ctx context.Context, next event.Name) error {
	asked := time.Now()
	var err error
	for time.Since(asked) < l.locker.Lease {
		call, done := context.WithTimeout(ctx, l.locker.Call)
		_, err = l.locker.Agency.Write(call, agencyclient.Tx{
			Ops: map[string]any{keys.HotBackupThawed: agencyclient.Set(l.mark), keys.HotBackupPhase: agencyclient.Set(string(next))},
			Pre: l.Precondition(),
		})
		done()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, agencyclient.ErrPrecondition):
			return ErrLost
		case errors.Is(err, agencyclient.ErrRejected):
			return fmt.Errorf("thaw Plan: %w", err)
		case wait.For(ctx, operation.RetryPause) != nil:
			return context.Cause(ctx)
		}
	}
	return operation.AgencyError(fmt.Errorf("thaw Plan: %w", err))
}

// Rename writes the operation's id, which has changed, into the holder's record.
func (l *Lock) Rename(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.locker.Call)
	defer cancel()
	_, err := l.locker.Agency.Write(ctx, agencyclient.Tx{
		Ops: map[string]any{keys.HotBackupHolder + "/id": agencyclient.Set(l.op.ID)},
		Pre: l.Precondition(),
	})
	if err != nil {
		return operation.AgencyError(fmt.Errorf("rename the lock's holder: %w", err))
	}
	return nil
}
