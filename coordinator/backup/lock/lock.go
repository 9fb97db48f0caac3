package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wall"
)

// Agency has the lock. Write returns the index of the applied transaction, or an error that
// matches one of that package's sentinels. Read is linearizable.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
	Read(ctx context.Context, paths ...string) (*agencyclient.Node, error)
}

// Cache is the watch cache, on which a Locker waits.
type Cache interface {
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// ErrLost is the error of an operation whose lock was removed before it was committed, by the
// supervision after the lease or by an operator. What was done under the lock cannot be
// committed.
var ErrLost = apierror.New(apierror.BackupCreate, "the agency lock was lost before the operation was committed")

// Locker acquires the agency lock. It keeps no state; any goroutine may use it.
type Locker struct {
	Agency      Agency
	Cache       Cache
	Coordinator string        // server id
	RebootID    func() uint64 // of the coordinator
	Lease       time.Duration // renewed every third of it
	Call        time.Duration // bounds one call to the agency
	Wall        wall.Clock    // for what is written down as a time
}

// Lock is the agency lock of one operation. Its methods are for the operation's goroutine.
type Lock struct {
	locker    *Locker
	op        *operation.Operation
	mark      string // the value of the lock
	index     uint64
	announced bool

	end  context.CancelCauseFunc // of the renewals
	done sync.WaitGroup
}

// Index is an index of the agency at or before which Plan was frozen.
func (l *Lock) Index() uint64 { return l.index }

// Nonce is the operation's nonce, which the holder's record has.
func (l *Lock) Nonce() string { return l.op.Nonce }

// Precondition requires that the lock is this one and always was. It has two parts: the lock
// itself freezes Plan, and an operator may have removed it and left the holder's record (which
// the supervision removes later).
func (l *Lock) Precondition() map[string]any {
	pre := map[string]any{keys.HotBackupNonce: agencyclient.Old(l.op.Nonce), keys.HotBackupCreate: agencyclient.Old(l.mark)}
	if failpoint.Off("lock-is-ours") {
		delete(pre, keys.HotBackupNonce)
	}
	if failpoint.Off("lock-is-its-value") {
		delete(pre, keys.HotBackupCreate)
	}
	return pre
}

// Release deletes the lock if it is the operation's. It repeats nothing.
func (l *Lock) Release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.locker.Call)
	defer cancel()
	return l.locker.Release(ctx, l.op.Nonce)
}

// Release deletes the lock whose holder has this nonce, and no other. If that lock does not exist,
// Release returns nil.
func (k *Locker) Release(ctx context.Context, nonce string) error {
	_, err := k.Agency.Write(ctx, agencyclient.Tx{
		Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()},
		Pre: map[string]any{keys.HotBackupNonce: agencyclient.Old(nonce)},
	})
	if err == nil || errors.Is(err, agencyclient.ErrPrecondition) {
		return nil
	}
	return fmt.Errorf("release the agency lock: %w", err)
}

// Stop ends the renewals and waits for them. It does not release the lock. On a nil Lock, which
// was never acquired, it does nothing.
func (l *Lock) Stop() {
	if l != nil && l.end != nil {
		l.end(context.Canceled)
		l.done.Wait()
	}
}

// holder returns the record of the operation in the agency.
func (l *Lock) holder(since time.Time) keys.Holder {
	return keys.Holder{
		ID: l.op.ID, Operation: l.op.Name, Coordinator: l.locker.Coordinator, RebootID: l.locker.RebootID(), Nonce: l.op.Nonce,
		Since: l.locker.Wall.Of(since).UTC().Format(time.RFC3339),
	}
}
