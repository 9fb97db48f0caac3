package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/backup/operation"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Transient reads what the agency's leader has in memory alone.
type Transient interface {
	TransientRead(ctx context.Context, paths ...string) (*agencyclient.Node, error)
}

// Inspector shows the agency lock to people, and breaks it for them. Any goroutine may use it.
type Inspector struct {
	*Locker
	Transient Transient
	Steps     event.Sink
	Log       hclog.Logger
}

// Lock returns the agency lock, as the agency has it now. What is left of its lease is by the clock
// of the supervision.
func (k *Inspector) Lock(ctx context.Context) (client.AgencyLock, error) {
	ctx, cancel := context.WithTimeout(ctx, k.Call)
	defer cancel()
	root, err := k.Agency.Read(ctx, keys.HotBackup)
	if err != nil {
		return client.AgencyLock{}, operation.AgencyError(fmt.Errorf("read the agency lock: %w", err))
	}
	if !root.At(keys.HotBackupCreate).Exists() {
		return client.AgencyLock{}, nil
	}
	h, _ := holderOf(root, k.Wall.Now())
	held := &client.HeldLock{
		Lock: client.Lock{
			ID: h.ID, Operation: h.Operation, Coordinator: h.Coordinator, Since: h.Since, Phase: h.Phase, PlanFrozen: agencyclient.Frozen(root),
		},
		Value: root.At(keys.HotBackupCreate).Text(), Nonce: h.Nonce, LeaseSeconds: h.LeaseSeconds,
	}
	held.Committed = h.Nonce != "" && root.At(keys.HotBackupRestore).At("nonce").Text() == h.Nonce
	if since, err := time.Parse(time.RFC3339, h.Since); err == nil {
		held.HeldSeconds = max(k.Wall.Now().Sub(since), 0).Seconds()
	}
	held.LeaseLeftSeconds = k.leaseLeft(ctx, h.Nonce)
	return client.AgencyLock{Lock: held}, nil
}

// leaseLeft is what the supervision says of the lease of a holder; nil if it says nothing.
func (k *Inspector) leaseLeft(ctx context.Context, nonce string) *float64 {
	root, err := k.Transient.TransientRead(ctx, keys.SupervisionLock)
	if err != nil {
		k.Log.Debug("the agency does not answer what is left of the lease of the agency lock", "error", err)
		return nil
	}
	var lease keys.LockLease
	if root.At(keys.SupervisionLock).Decode(&lease) != nil || lease.Nonce != nonce {
		return nil
	}
	return &lease.LeftSeconds
}

// Break removes the agency lock if it has just this value and its holder just this nonce; "" is a
// lock without a holder. One transaction removes it and puts that among the events of the
// supervision, which all coordinators list. The holder finds out at its next renewal, or at its
// commit, which require the nonce and the value.
//
// [apierror.BackupConflict]: the lock is another one, or free. [apierror.ServiceUnavailable] with the
// outcome unknown: it may be removed.
func (k *Inspector) Break(ctx context.Context, value, nonce string) error {
	ctx, cancel := context.WithTimeout(ctx, k.Call)
	defer cancel()
	root, err := k.Agency.Read(ctx, keys.HotBackup)
	if err != nil {
		return operation.AgencyError(fmt.Errorf("read the agency lock: %w", err))
	}
	h, whose := holderOf(root, k.Wall.Now())
	if text := root.At(keys.HotBackupCreate).Text(); text != value || h.Nonce != nonce {
		return k.changed(root, whose)
	}
	detail := fmt.Sprintf("by an operator, through %s; it was held by %s", k.Coordinator, whose)
	_, err = k.Agency.Write(ctx, k.breaking(value, nonce, keys.Event{
		Time: k.Wall.Now().UTC().Format("2006-01-02T15:04:05.000Z"), Step: string(event.AgencyLockBroken), Job: h.ID, Server: h.Coordinator, Detail: detail,
	}))
	switch {
	case errors.Is(err, agencyclient.ErrPrecondition):
		return apierror.New(apierror.BackupConflict, "the agency lock is not broken: it is not that of %s any more", whose)
	case errors.Is(err, agencyclient.ErrUnknown):
		e := apierror.New(apierror.ServiceUnavailable, "break the agency lock: %w", err)
		return apierror.With(e, apierror.Outcome, apierror.OutcomeUnknown)
	case err != nil:
		return operation.AgencyError(fmt.Errorf("break the agency lock: %w", err))
	}
	k.Log.Warn("the agency lock was broken by an operator", "id", h.ID, "operation", h.Operation, "coordinator", h.Coordinator, "since", h.Since)
	k.Steps.Emit(ctx, event.Event{Operation: event.Supervision, ID: h.ID, Step: event.AgencyLockBroken, Server: h.Coordinator, Detail: detail})
	return nil
}

// changed is the error when the lock is not the one that was to be broken.
func (k *Inspector) changed(root *agencyclient.Node, whose string) error {
	if !root.At(keys.HotBackupCreate).Exists() {
		return apierror.New(apierror.BackupConflict, "the agency lock is not broken: it is free")
	}
	return apierror.New(apierror.BackupConflict, "the agency lock is not broken: it is held by another one, %s", whose)
}

// breaking is the transaction. It requires the lock's value and its holder's nonce, and not the
// whole record of the holder, which changes with each renewal.
func (k *Inspector) breaking(value, nonce string, told keys.Event) agencyclient.Tx {
	tx := agencyclient.Tx{
		Ops: map[string]any{
			keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete(),
			keys.SupervisionEvents: agencyclient.PushQueue(told, keys.EventsKept),
		},
		Pre: map[string]any{keys.HotBackupCreate: agencyclient.Old(value), keys.HotBackupNonce: agencyclient.Old(nonce)},
	}
	if nonce == "" {
		tx.Pre[keys.HotBackupNonce] = agencyclient.OldEmpty(true)
	}
	if failpoint.Off("break-requires-nonce") {
		tx.Pre = nil
	}
	return tx
}
