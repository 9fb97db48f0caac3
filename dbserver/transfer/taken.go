package transfer

import (
	"context"
	"errors"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// takeLimit bounds how long the agency may take to note that this server has taken a job.
const takeLimit = 10 * time.Second

// insistOnTaking takes the job after a write whose outcome is unknown. It waits for the agency until ctx ends. To read what
// became of the write is not enough, because it may still arrive after that: the part would be taken, no one would do it, and it
// would never end, since the process lives. So the job is taken again until the agency says that it is, or that it is over.
func (r *record) insistOnTaking(ctx context.Context, rebootID uint64, claim func() error) (accepted bool) {
	for {
		if s, err := r.read(ctx); err == nil && r.endedHere(s) { // the unknown write was the end
			r.ended(ctx, s.entry)
			return false
		}
		accepted, err := r.accept(ctx, rebootID, claim)
		if err == nil || errors.Is(err, apierror.NotFound) || errors.Is(err, apierror.BackupConflict) {
			return accepted
		}
		if wait.For(ctx, r.retry) != nil {
			return false
		}
	}
}
