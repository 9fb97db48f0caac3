package supervision

import (
	"context"
	"math"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// lockWatch takes the agency lock away from a holder that does not renew it.
type lockWatch struct {
	proposer *proposer
	periods  Periods

	create, holder *fsm.Node // as they were seen last
	since          time.Time // when this leader first saw exactly these values
	noted          bool      // what is left of the lease is in the transient tree
}

// watch takes the lock away when its value has not changed for the lock's lease. It says how
// long the lease lasts from now on.
func (w *lockWatch) watch(ctx context.Context, root *fsm.Node) time.Duration {
	now := time.Now() // not earlier than what is in root: the pass may have taken long already
	create, holder := root.At(keys.HotBackupCreate), root.At(keys.HotBackupHolder)
	if !create.Exists() {
		w.create, w.holder = nil, nil
		if holder.Exists() {
			w.proposer.change(ctx, orphanedHolder(holder))
		}
		if w.noted {
			w.note(ctx, agencyclient.Delete())
			w.noted = false
		}
		return w.periods.Interval
	}
	if !fsm.Equal(create, w.create) || !fsm.Equal(holder, w.holder) {
		w.create, w.holder, w.since = create, holder, now
	}
	held := now.Sub(w.since)
	if rest := w.leaseOf(holder) - held; rest > 0 {
		w.noted = true
		w.note(ctx, keys.LockLease{Nonce: holder.At("nonce").Text(), LeftSeconds: rest.Seconds()})
		return rest
	}
	d := about(holder)
	d.Step, d.Elapsed = event.AgencyLockExpired, held
	d.Tx.Ops[keys.HotBackupCreate], d.Tx.Ops[keys.HotBackupHolder] = agencyclient.Delete(), agencyclient.Delete()
	// A renewal at this moment makes the holder another value, and the lock stays.
	d.Tx.Pre[keys.HotBackupCreate], d.Tx.Pre[keys.HotBackupHolder] = agencyclient.Exactly(create), agencyclient.Exactly(holder)
	if failpoint.Off("expiry-of-what-was-seen") {
		d.Tx.Pre = nil
	}
	w.proposer.change(ctx, d)
	return w.periods.Interval
}

// note writes what is left of the lease into the transient tree, for people. What is there of an
// earlier leader goes with its tree.
func (w *lockWatch) note(ctx context.Context, value any) {
	tx, err := parse(agencyclient.Tx{Ops: map[string]any{keys.SupervisionLock: value}})
	if err == nil {
		err = w.proposer.store.WriteTransient(ctx, tx)
	}
	if err != nil {
		w.proposer.log.Debug("cannot tell what is left of the lease of the agency lock", "error", err)
	}
}

// leaseOf is how long the lock may stay unchanged.
func (w *lockWatch) leaseOf(holder *fsm.Node) time.Duration {
	var h keys.Holder
	if err := holder.Decode(&h); err != nil || h.LeaseSeconds <= 0 {
		return w.periods.Ownerless // missing, or written by another tool
	}
	return time.Duration(math.Min(h.LeaseSeconds, longestPeriod.Seconds()) * float64(time.Second))
}

// orphanedHolder removes a holder without a lock. Tools made for ArangoDB delete the lock and do
// not know of holders. The holder finds out by its nonce that the lock is no longer its own.
func orphanedHolder(holder *fsm.Node) job.Decision {
	d := about(holder)
	d.Step = event.LockHolderRemoved
	d.Tx.Ops[keys.HotBackupHolder] = agencyclient.Delete()
	d.Tx.Pre[keys.HotBackupHolder] = agencyclient.Exactly(holder)
	d.Tx.Pre[keys.HotBackupCreate] = agencyclient.OldEmpty(true)
	return d
}

// about begins a decision about a holder's lock.
func about(holder *fsm.Node) job.Decision {
	d := job.Decision{Tx: agencyclient.NewTx(), Job: holder.At("id").Text(), Server: holder.At("coordinator").Text()}
	if operation := holder.At("operation").Text(); operation != "" {
		d.Detail = "held for " + operation
	}
	return d
}
