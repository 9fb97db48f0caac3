package create

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"stasis/client"
	"stasis/coordinator/backup/operation"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
	"stasis/internal/failpoint"
)

// maxLockGrowth bounds the growth of a Request.
const maxLockGrowth = 100

// Request asks for a backup. Zero fields take their default.
//
// Timeout bounds the lock phase: waiting for the agency lock, preparing, and waiting for
// the gates, together. Later phases may take as long as every DB server makes progress;
// Deadline, if it is set, bounds everything up to the commit. The first attempt to hold
// all gates waits for LockWait; each later one LockGrowth times as long as the one before.
//
// Force goes on trying for another Timeout, and aborts meanwhile the stream transactions that
// are open: not those that are being committed, and none in lock mode commits, which waits for
// none that is open. With AllowInconsistent
// the backup goes on without the global lock if that cannot be acquired, and is marked as
// potentially inconsistent for ever.
//
// LockMode says for which writers the gates wait. With client.LockModeNone no gate is asked for at
// all, which shows what the gates are for: the backup is marked, too, so the request has to have
// AllowInconsistent.
type Request struct {
	Label             string // "" means a random one
	Timeout           time.Duration
	Deadline          time.Duration // 0: none
	AllowInconsistent bool
	Force             bool
	LockWait          time.Duration
	LockGrowth        float64
	LockMode          client.LockMode // "" means client.LockModeTransactions
}

// checked returns the request with its defaults, or an error if it is not valid.
func (r Request) checked() (Request, error) {
	if r.Label == "" {
		r.Label = uuid.NewString()
	}
	if err := backupname.CheckLabel(r.Label); err != nil {
		return r, err
	}
	r.Timeout = operation.Timeout(r.Timeout)
	if r.LockWait <= 0 {
		r.LockWait = client.DefaultLockWait
	}
	if r.Deadline < 0 {
		return r, operation.BadDeadline("create")
	}
	r.LockMode = cmp.Or(r.LockMode, client.LockModeTransactions)
	if r.LockGrowth == 0 {
		r.LockGrowth = client.DefaultLockGrowth
	}
	if !(r.LockGrowth >= 1 && r.LockGrowth <= maxLockGrowth) {
		return r, apierror.New(apierror.BadParameter, "lockGrowth %v: want 1 to %d", r.LockGrowth, maxLockGrowth)
	}
	return r, r.checkMode()
}

// checkMode returns an error if the request must not have its lock mode.
func (r Request) checkMode() error {
	if err := r.LockMode.Check(); err != nil {
		return apierror.New(apierror.BadParameter, "create: %w", err)
	}
	if r.LockMode == client.LockModeNone && !r.AllowInconsistent && !failpoint.Off("mode-none-needs-consent") {
		return apierror.New(apierror.BadParameter, "create: lock mode none holds up no writer, so the backup may be torn and is marked as potentially inconsistent: it needs allowInconsistent")
	}
	return nil
}

// Result is the answer to a create.
type Result = client.CreateResult
