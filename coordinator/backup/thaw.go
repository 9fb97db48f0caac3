package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/step"
)

// thaw ends the freeze of Plan and keeps the lock. What the freeze is for, that Plan is
// the same at the lock's index and at the instant, is over when the gates have been
// asked to open; the links that follow may take long, and need Plan to stand still
// no more than they need writers to. The precondition shows that the lock, and so the
// freeze, held from its index to this one.
//
// A transaction whose answer is lost is written again: it sets the same value.
func (c *create) thaw(ctx context.Context) error {
	c.thawAsked = time.Now()
	var err error
	for time.Since(c.thawAsked) < c.Timing.Lease {
		call, done := context.WithTimeout(ctx, c.Timing.Agency)
		_, err = c.Agency.Write(call, agency.Tx{
			Ops: map[string]any{keys.HotBackupThawed: agency.Set(c.mark), keys.HotBackupPhase: agency.Set(string(step.Linking))},
			Pre: c.locked(),
		})
		done()
		switch {
		case err == nil:
			c.emit(ctx, step.Event{Step: step.Thawed, Elapsed: time.Since(c.began)})
			return nil
		case errors.Is(err, agency.ErrPrecondition):
			return errLockLost
		case errors.Is(err, agency.ErrRejected):
			return fmt.Errorf("thaw Plan: %w", err)
		case pause(ctx, undoPause) != nil:
			return context.Cause(ctx)
		}
	}
	return agencyError(fmt.Errorf("thaw Plan: %w", err))
}
