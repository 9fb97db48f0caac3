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
)

// Acquire acquires the lock for op. Until deadline it waits for another holder to release the
// lock, and for pending jobs of the supervision to end. Then it fails with
// apierror.BackupCreate and names the holder or the job. Before each attempt newID makes the id
// of the operation. The context that Acquire returns ends when the lock is lost. The caller
// calls Stop.
//
// Acquire puts the lock on the undo list before the first attempt: an attempt may have succeeded
// although its answer was lost.
func (k *Locker) Acquire(ctx context.Context, op *operation.Operation, deadline time.Time, newID func() string) (context.Context, *Lock, error) {
	l := &Lock{locker: k, op: op}
	op.Undo.Push("agency lock", l.Release)
	for {
		op.ID = newID()
		op.Emit(ctx, event.Event{Step: event.AgencyLock})
		asked := time.Now()
		err := l.write(ctx, deadline)
		if err == nil {
			op.Emit(ctx, event.Event{Step: event.AgencyLocked, Elapsed: time.Since(op.Began)})
			return l.keepAlive(ctx, asked), l, nil
		}
		if !errors.Is(err, agencyclient.ErrPrecondition) {
			return nil, nil, operation.AgencyError(fmt.Errorf("acquire the agency lock: %w", err))
		}
		if err := l.await(ctx, deadline); err != nil {
			return nil, nil, err
		}
	}
}

// write writes the lock and its holder, if no lock exists and no job is pending: a pending job
// could not go on while Plan is frozen. If the answer is lost, write looks for the nonce in the
// agency.
func (l *Lock) write(ctx context.Context, deadline time.Time) (err error) {
	ctx, cancel := context.WithTimeout(ctx, l.locker.Call)
	defer cancel()
	now := time.Now()
	l.mark = wireTime(max(deadline.Sub(now), time.Second), l.locker.Wall.Of(now))
	holder := l.holder(now)
	holder.LeaseSeconds = l.locker.Lease.Seconds()
	l.index, err = l.locker.Agency.Write(ctx, agencyclient.Tx{
		Ops: map[string]any{
			keys.HotBackupCreate: agencyclient.Set(l.mark),
			keys.HotBackupHolder: agencyclient.Set(holder),
			l.waitingKey():       agencyclient.Delete(),
		},
		Pre: map[string]any{keys.HotBackupCreate: agencyclient.OldEmpty(true), keys.TargetPending: agencyclient.Old(struct{}{})},
	})
	if err == nil || errors.Is(err, agencyclient.ErrUnavailable) || errors.Is(err, agencyclient.ErrRejected) {
		return err
	}
	root, readErr := l.locker.Agency.Read(ctx, keys.HotBackup)
	if readErr != nil || root.At(keys.HotBackupNonce).Text() != l.op.Nonce {
		return err
	}
	l.mark = root.At(keys.HotBackupCreate).Text()
	l.index, err = l.beat(ctx, 1) // the lock is ours; another write returns an index after it
	return err
}

// wireTime returns the time that is d after now, as ArangoDB's clients read it.
func wireTime(d time.Duration, now time.Time) string {
	return now.Add(d).UTC().Format(time.RFC3339)
}

// await waits until the lock can be acquired. At the deadline its error names what prevents it.
func (l *Lock) await(ctx context.Context, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	snapshot, err := l.locker.Cache.Sync(ctx)
	if err != nil {
		return operation.AgencyError(fmt.Errorf("read the agency lock: %w", err))
	}
	if free(snapshot) {
		return nil
	}
	defer l.announcing(ctx)()
	last := ""
	_, err = l.locker.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool {
		if free(s) {
			return true
		}
		snapshot = s
		if b := blockerOf(s, l.locker.Wall.Now()); b.which != last {
			last = b.which
			l.op.Emit(ctx, event.Event{Step: event.AgencyWaiting, Detail: b.label})
			l.op.Log.Info("waiting for the agency lock", "for", b.label)
		}
		return false
	})
	switch {
	case err == nil:
		return nil
	case time.Until(deadline) > 0:
		return operation.Cause(ctx, operation.AgencyError(fmt.Errorf("wait for the agency lock: %w", err)))
	}
	return blockerOf(snapshot, l.locker.Wall.Now()).error()
}
