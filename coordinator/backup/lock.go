package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/step"
)

// errLockLost: the supervision, or somebody by hand, took the agency lock away.
// Whatever was done under it must not be committed, and cannot be.
var errLockLost = apierror.New(apierror.BackupCreate, "the agency lock was lost before the operation was committed")

// lease is the agency lock, held and kept alive.
type lease struct {
	index uint64 // at or before which Plan was frozen
	end   context.CancelCauseFunc
	done  sync.WaitGroup
}

// stop ends the renewing and waits for it. It does not release the lock.
func (l *lease) stop() {
	if l != nil {
		l.end(context.Canceled)
		l.done.Wait()
	}
}

// acquire takes the agency lock, waiting until the deadline for another holder, and
// for jobs of the supervision that are pending. The context that it returns ends
// when the lock is lost. The lock is on the undo list from before the first
// attempt, since an attempt may have succeeded unseen.
func (op *operation) acquire(ctx context.Context, deadline time.Time, newID func() string) (context.Context, *lease, error) {
	op.undo.push("agency lock", op.releaseLock)
	for {
		op.id = newID()
		op.emit(ctx, step.Event{Step: step.AgencyLock})
		asked := time.Now()
		index, err := op.writeLock(ctx, deadline)
		if err == nil {
			op.emit(ctx, step.Event{Step: step.AgencyLocked, Elapsed: time.Since(op.began)})
			held, l := op.keepAlive(ctx, asked, index)
			return held, l, nil
		}
		if !errors.Is(err, agency.ErrPrecondition) {
			return nil, nil, agencyError(fmt.Errorf("take the agency lock: %w", err))
		}
		if err := op.awaitLock(ctx, deadline); err != nil {
			return nil, nil, err
		}
	}
}

// writeLock writes the lock and its holder if there is no lock and no job of the
// supervision is pending: one that is could not go on while Plan is frozen. An
// answer that was lost is looked up: the nonce says whose lock it is.
func (op *operation) writeLock(ctx context.Context, deadline time.Time) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, op.Timing.Agency)
	defer cancel()
	now := time.Now()
	op.mark = wireTime(max(deadline.Sub(now), time.Second), now)
	index, err := op.Agency.Write(ctx, agency.Tx{
		Ops: map[string]any{
			keys.HotBackupCreate: agency.Set(op.mark),
			keys.HotBackupHolder: agency.Set(keys.Holder{
				ID: op.id, Operation: op.name, Coordinator: op.ID, RebootID: op.RebootID(), Nonce: op.nonce,
				Since: now.UTC().Format(time.RFC3339), LeaseSeconds: seconds(op.Timing.Lease),
			}),
			op.waitingKey(): agency.Delete(),
		},
		Pre: map[string]any{keys.HotBackupCreate: agency.OldEmpty(true), keys.TargetPending: agency.Old(struct{}{})},
	})
	if err == nil || errors.Is(err, agency.ErrUnavailable) || errors.Is(err, agency.ErrRejected) {
		return index, err
	}
	root, readErr := op.Agency.Read(ctx, keys.HotBackup)
	if readErr != nil || root.At(keys.HotBackupNonce).Text() != op.nonce {
		return 0, err
	}
	op.mark = root.At(keys.HotBackupCreate).Text()
	return op.beat(ctx, 1) // it is ours; a further write gives an index after it
}

// locked is the precondition that the lock is ours and always was: it is the lock
// that freezes Plan, not its holder's record, and somebody may have removed it and
// left the record. (The supervision removes that later.)
func (op *operation) locked() map[string]any {
	pre := map[string]any{keys.HotBackupNonce: agency.Old(op.nonce), keys.HotBackupCreate: agency.Old(op.mark)}
	if failpoint.Off("lock-is-ours") {
		delete(pre, keys.HotBackupNonce)
	}
	if failpoint.Off("lock-is-its-value") {
		delete(pre, keys.HotBackupCreate)
	}
	return pre
}

// wireTime is the moment d from now, as the reference's clients read it.
func wireTime(d time.Duration, now time.Time) string {
	return now.Add(d).UTC().Format(time.RFC3339)
}

// beat renews the lock, if it is still ours, and says what we are doing.
func (op *operation) beat(ctx context.Context, n uint64) (uint64, error) {
	ops := map[string]any{keys.HotBackupBeat: agency.Set(n)}
	if phase := op.phase.Load(); phase != nil {
		ops[keys.HotBackupPhase] = agency.Set(*phase)
	}
	return op.Agency.Write(ctx, agency.Tx{Ops: ops, Pre: op.locked()})
}

// keepAlive renews the lock every third of its lease, counted from when it was
// asked for, until the lease's owner stops it. The context it returns ends when
// the lock is lost or was not renewed in time.
func (op *operation) keepAlive(ctx context.Context, asked time.Time, index uint64) (context.Context, *lease) {
	work, end := context.WithCancelCause(ctx)
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx)) // also while things are taken back
	l := &lease{index: index, end: func(cause error) { stop(); end(cause) }}
	l.done.Go(func() {
		if err := op.renew(renewing, asked); err != nil {
			op.log.Warn("agency lock lost", "error", err)
			end(err)
		}
	})
	return work, l
}

// renew returns nil when ctx ends and an error when the lock is lost.
func (op *operation) renew(ctx context.Context, renewed time.Time) error {
	for n := uint64(2); ; n++ {
		if pause(ctx, op.Timing.Lease/3) != nil {
			return nil
		}
		asked := time.Now()
		call, done := context.WithDeadline(ctx, renewed.Add(op.Timing.Lease))
		_, err := op.beat(call, n)
		done()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			renewed = asked
		case errors.Is(err, agency.ErrPrecondition) && !failpoint.Off("lost-lock-ends-work"):
			return errLockLost
		case time.Since(renewed) >= op.Timing.Lease:
			return fmt.Errorf("%w: not renewed for %v: %w", errLockLost, op.Timing.Lease, err)
		}
	}
}

// releaseLock deletes the lock if it is ours. If it is not there is nothing to do.
func (op *operation) releaseLock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, op.Timing.Agency)
	defer cancel()
	return release(ctx, op.Agency, op.nonce)
}

// release deletes the lock with this nonce, and no other.
func release(ctx context.Context, a Agency, nonce string) error {
	_, err := a.Write(ctx, agency.Tx{
		Ops: map[string]any{keys.HotBackupCreate: agency.Delete(), keys.HotBackupHolder: agency.Delete()},
		Pre: map[string]any{keys.HotBackupNonce: agency.Old(nonce)},
	})
	if err == nil || errors.Is(err, agency.ErrPrecondition) {
		return nil
	}
	return fmt.Errorf("release the agency lock: %w", err)
}

// agencyError gives an error of the agency its number: 503 when it cannot be
// reached, whatever was wanted of it.
func agencyError(err error) error {
	if errors.Is(err, agency.ErrUnavailable) || errors.Is(err, agency.ErrUnknown) {
		return apierror.New(apierror.ServiceUnavailable, "%w", err)
	}
	return err
}
