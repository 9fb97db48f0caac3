package restore

import (
	"context"
	"sync"
	"time"

	"stasis/internal/wait"
)

// Run releases the locks of restores whose coordinator has died, and deletes failsafe backups that
// were replaced, until ctx ends.
func (r *Recovery) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() {
		r.repeat(ctx, "cannot complete the restore of a coordinator that has died; trying again", r.releaseOrphan)
	})
	both.Go(func() { r.repeat(ctx, "cannot delete replaced failsafe backups; trying again", r.retireFailsafes) })
	both.Wait()
}

// recoveryPause is the pause after a task failed.
const recoveryPause = time.Second

// repeat runs a task again and again until ctx ends, with a pause after each failure.
func (r *Recovery) repeat(ctx context.Context, what string, task func(context.Context) error) {
	for ctx.Err() == nil {
		if err := task(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn(what, "error", err)
			_ = wait.For(ctx, recoveryPause) // the loop looks at ctx
		}
	}
}
