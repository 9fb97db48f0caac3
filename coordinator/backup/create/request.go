package create

import (
	"time"

	"github.com/google/uuid"

	"stasis/client"
	"stasis/coordinator/backup/operation"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
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
// Force goes on trying for another Timeout. (This version has no stream transactions that it
// could abort. Only single writes hold a gate up, and they end soon.) With AllowInconsistent
// the backup goes on without the global lock if that cannot be acquired, and is marked as
// potentially inconsistent for ever.
type Request struct {
	Label             string // "" means a random one
	Timeout           time.Duration
	Deadline          time.Duration // 0: none
	AllowInconsistent bool
	Force             bool
	LockWait          time.Duration
	LockGrowth        float64
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
	if r.LockGrowth == 0 {
		r.LockGrowth = client.DefaultLockGrowth
	}
	if !(r.LockGrowth >= 1 && r.LockGrowth <= maxLockGrowth) {
		return r, apierror.New(apierror.BadParameter, "lockGrowth %v: want 1 to %d", r.LockGrowth, maxLockGrowth)
	}
	return r, nil
}

// Result is the answer to a create.
type Result = client.CreateResult
