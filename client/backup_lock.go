package client

import "context"

// AgencyLock is the agency lock, with which backups and restores exclude each other.
type AgencyLock struct {
	Lock *HeldLock `json:"lock"` // nil: it is free
}

// HeldLock is the agency lock while it is held.
type HeldLock struct {
	Lock
	Value        string  `json:"value"`        // of the lock: until when its holder means to have all gates, by the holder's clock
	Nonce        string  `json:"nonce"`        // of the holder; "": the lock has no holder's record, or one of another tool
	Committed    bool    `json:"committed"`    // a restore that is committed, and waits for servers: to break its lock takes nothing back
	LeaseSeconds float64 `json:"leaseSeconds"` // the supervision takes the lock away when it has seen no renewal for so long

	// LeaseLeftSeconds is what is left of the lease on the clock of the supervision, as it was in its
	// last pass. nil: unknown, because the supervision has not told, or the agency does not answer.
	LeaseLeftSeconds *float64 `json:"leaseLeftSeconds"`
}

// Lock returns the agency lock.
func (b Backups) Lock(ctx context.Context) (AgencyLock, error) {
	var l AgencyLock
	return l, b.client.backup(ctx, backupCommand{name: "agency-lock", reads: true}, &l)
}

// BreakLock removes the agency lock, if it is still this one. The operation that holds it finds that
// out, at its commit at the latest, and commits nothing; one that is committed completes by itself. What keeps a backup or restore from being
// disturbed is gone meanwhile: break the lock of a holder that is dead.
//
// [ErrConflict]: the lock is not that one any more. [ErrUnknownOutcome]: Lock tells.
func (b Backups) BreakLock(ctx context.Context, l HeldLock) error {
	return b.client.backup(ctx, backupCommand{name: "agency-lock", body: breakLock{lockID{Value: l.Value, Nonce: l.Nonce}}, marked: true}, nil)
}

// breakLock is the body of the command that removes the agency lock.
type breakLock struct {
	Break lockID `json:"break"`
}

// lockID tells one lock from any other.
type lockID struct {
	Value string `json:"value"`
	Nonce string `json:"nonce"`
}
