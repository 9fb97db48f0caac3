package restore

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/backup/lock"
	"stasis/internal/wait"
)

// RecoveryAgency is where the recovery writes.
type RecoveryAgency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
}

// RecoveryCache is the watch cache.
type RecoveryCache interface {
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Recovery finishes, on any coordinator, what a committed restore leaves to do. Any number
// of coordinators may run it at once.
type Recovery struct {
	Agency      RecoveryAgency
	Locks       *lock.Locker
	Cache       RecoveryCache
	Coordinator string        // server id
	Call        time.Duration // bounds one call to the agency
	Log         hclog.Logger
}

// Run releases the locks of restores whose coordinator is gone, and deletes replaced
// failsafe backups, until ctx ends.
func (r *Recovery) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { r.repeat(ctx, "finish orphaned restore", r.releaseOrphan) })
	both.Go(func() { r.repeat(ctx, "delete replaced failsafe backups", r.retireFailsafes) })
	both.Wait()
}

// recoveryPause is the pause after something failed.
const recoveryPause = time.Second

// repeat does a task again and again until ctx ends, with a pause after each failure.
func (r *Recovery) repeat(ctx context.Context, what string, task func(context.Context) error) {
	for ctx.Err() == nil {
		if err := task(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn(what, "error", err)
			_ = wait.For(ctx, recoveryPause) // the loop looks at ctx
		}
	}
}
