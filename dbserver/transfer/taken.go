package transfer

import (
	"context"
	"time"

	"stasis/agency/keys"
	"stasis/internal/wait"
)

// takeLimit bounds how long the agency may take to note that this server has taken a job.
const takeLimit = 10 * time.Second

// taken finds out whether the agency has noted that this process has taken the job, after a write whose outcome is unknown. It
// waits for the agency until ctx ends. A part that was taken and that no one does would never end: the process lives.
func (r *record) taken(ctx context.Context, rebootID uint64) bool {
	for {
		s, err := r.read(ctx)
		if err == nil {
			r.entry = s.entry
			return s.known && s.entry.Status == keys.TransferAck && s.entry.RebootID == rebootID
		}
		if wait.For(ctx, r.retry) != nil {
			return false
		}
	}
}
