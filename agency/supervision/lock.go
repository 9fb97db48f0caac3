package supervision

import (
	"context"
	"math"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// longestLease bounds what a holder may ask for.
const longestLease = 24 * time.Hour

// lease is the agency lock as this leader sees it.
type lease struct {
	create, holder *fsm.Node
	since          time.Time // when this leader first saw exactly these values
}

// watchLock takes the lock away when its value has not changed for the lease. It
// says how long the lease lasts from now on.
func (s *supervisor) watchLock(ctx context.Context, root *fsm.Node) time.Duration {
	now := time.Now() // not earlier than what is in root: the round may have taken long already
	create, holder := root.At(keys.HotBackupCreate), root.At(keys.HotBackupHolder)
	if !create.Exists() {
		s.lock = lease{}
		if holder.Exists() {
			s.removeHolder(ctx, holder)
		}
		return s.timing.Interval
	}
	if !fsm.Equal(create, s.lock.create) || !fsm.Equal(holder, s.lock.holder) {
		s.lock = lease{create: create, holder: holder, since: now}
	}
	held := now.Sub(s.lock.since)
	rest := s.leaseOf(holder) - held
	if rest > 0 {
		return rest
	}
	d := describe(holder)
	d.Step, d.Elapsed = LockExpired, held
	d.Tx = agencyclient.Tx{
		Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()},
		Pre: map[string]any{keys.HotBackupCreate: agencyclient.Exactly(create), keys.HotBackupHolder: agencyclient.Exactly(holder)},
	}
	if failpoint.Off("expiry-of-what-was-seen") {
		d.Tx.Pre = nil
	}
	s.change(ctx, d)
	return s.timing.Interval
}

// removeHolder cleans up after someone who deleted the lock and does not know of
// holders, as tools made for the reference do. The holder finds out by its nonce.
func (s *supervisor) removeHolder(ctx context.Context, holder *fsm.Node) {
	d := describe(holder)
	d.Step = HolderOrphaned
	d.Tx = agencyclient.Tx{
		Ops: map[string]any{keys.HotBackupHolder: agencyclient.Delete()},
		Pre: map[string]any{keys.HotBackupHolder: agencyclient.Exactly(holder), keys.HotBackupCreate: agencyclient.OldEmpty(true)},
	}
	s.change(ctx, d)
}

// leaseOf is how long the lock may stay unchanged.
func (s *supervisor) leaseOf(holder *fsm.Node) time.Duration {
	var h keys.Holder
	if err := holder.Decode(&h); err != nil || h.LeaseSeconds <= 0 {
		return s.timing.Ownerless // missing, or not written by one of ours
	}
	return time.Duration(math.Min(h.LeaseSeconds, longestLease.Seconds()) * float64(time.Second))
}

// describe says whose lock it is, as far as the holder tells.
func describe(holder *fsm.Node) job.Decision {
	d := job.Decision{Job: holder.At("id").Text(), Server: holder.At("coordinator").Text()}
	if operation := holder.At("operation").Text(); operation != "" {
		d.Detail = "held for " + operation
	}
	return d
}
