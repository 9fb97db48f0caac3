package restore

import (
	"context"
	"sync"
)

// Run releases the locks of restores whose coordinator is gone, and deletes replaced
// failsafe backups, until ctx ends.
func (r *Recovery) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { r.repeat(ctx, "finish orphaned restore", r.releaseOrphan) })
	both.Go(func() { r.repeat(ctx, "delete replaced failsafe backups", r.retireFailsafes) })
	both.Wait()
}
