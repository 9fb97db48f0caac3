package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
	"stasis/internal/step"
)

// announceFor is how long the agency keeps the news that somebody waits for the
// lock. It is renewed three times as often. A coordinator that dies is forgotten.
const announceFor = 6 * time.Second

// waitingKey is where the operation says that it waits for the agency lock.
func (op *operation) waitingKey() string { return keys.HotBackupWaiting + "/" + op.nonce }

// announcing tells the supervision, for as long as the operation waits for the
// lock, to begin no job that would stay pending. Otherwise a cluster that is being
// rearranged could never be backed up. stop ends the renewing; what was announced
// last lives on while the lock is tried, and goes with the lock's transaction.
func (op *operation) announcing(ctx context.Context) (stop func()) {
	if !op.announced {
		op.announced = true
		op.undo.push("announcement", op.withdraw)
	}
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for ctx.Err() == nil {
			op.announce(ctx)
			_ = pause(ctx, announceFor/3) // it ends with ctx, which the loop looks at
		}
	})
	return func() { cancel(); renewing.Wait() }
}

// announce writes it once. If that fails the wait may be longer, no more.
func (op *operation) announce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, announceFor/3)
	defer cancel()
	_, err := op.Agency.Write(ctx, agency.Tx{
		Ops: map[string]any{op.waitingKey(): agency.SetFor(keys.Holder{
			ID: op.id, Operation: op.name, Coordinator: op.ID, RebootID: op.RebootID(), Nonce: op.nonce,
			Since: op.began.UTC().Format(time.RFC3339),
		}, announceFor)},
	})
	if err != nil && ctx.Err() == nil {
		op.log.Debug("not announced that the agency lock is waited for", "error", err)
	}
}

// withdraw takes the announcement back, sooner than its time to live does.
func (op *operation) withdraw(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, op.Timing.Agency)
	defer cancel()
	_, err := op.Agency.Write(ctx, agency.Tx{Ops: map[string]any{op.waitingKey(): agency.Delete()}})
	if err != nil {
		return fmt.Errorf("withdraw the announcement: %w", err)
	}
	return nil
}

// awaitLock waits until what is in the way of the lock is gone. At the deadline it
// says what that is.
func (op *operation) awaitLock(ctx context.Context, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	snapshot, err := op.Cache.Sync(ctx)
	if err != nil {
		return agencyError(fmt.Errorf("read the agency lock: %w", err))
	}
	if free(snapshot) {
		return nil
	}
	defer op.announcing(ctx)()
	last := ""
	_, err = op.Cache.Wait(ctx, func(s agency.Snapshot) bool {
		if free(s) {
			return true
		}
		snapshot = s
		if b := blockerOf(s); b.label != last {
			last = b.label
			op.emit(ctx, step.Event{Step: step.AgencyWaiting, Detail: b.label})
			op.log.Info("waiting for the agency lock", "for", b.label)
		}
		return false
	})
	switch {
	case err == nil:
		return nil
	case time.Until(deadline) > 0:
		return inContext(ctx, agencyError(fmt.Errorf("wait for the agency lock: %w", err)))
	}
	return blockerOf(snapshot).error()
}

func free(s agency.Snapshot) bool {
	return !s.Root.At(keys.HotBackupCreate).Exists() && s.Root.At(keys.TargetPending).Len() == 0
}

// blocker is what is in the way of the agency lock.
type blocker struct {
	label string
	extra map[string]any
}

func (b blocker) error() error {
	e := apierror.New(apierror.BackupCreate, "the agency lock cannot be had: %s", b.label)
	e.Extra = b.extra
	return e
}

// blockerOf says whose lock it is, or which job is pending.
func blockerOf(s agency.Snapshot) blocker {
	if s.Root.At(keys.HotBackupCreate).Exists() {
		holder, label := holderOf(s)
		return blocker{"it is held by " + label, map[string]any{"holder": holder}}
	}
	var jobs []keys.Job
	for id, n := range s.Root.At(keys.TargetPending).Children() {
		var j keys.Job
		if err := n.Decode(&j); err != nil {
			j.Type = "unreadable"
		}
		j.JobID = id
		jobs = append(jobs, j)
	}
	if len(jobs) == 0 {
		return blocker{label: "nothing is in the way any more"}
	}
	first := slices.MinFunc(jobs, func(a, b keys.Job) int {
		switch { // a job about a shard says more than the parent that waits for it
		case a.Shard == "" && b.Shard != "":
			return 1
		case a.Shard != "" && b.Shard == "":
			return -1
		}
		return cmp.Or(cmp.Compare(len(a.JobID), len(b.JobID)), cmp.Compare(a.JobID, b.JobID))
	})
	return blocker{"job " + describeJob(first, len(jobs)-1) + " is pending", map[string]any{"job": first}}
}

// describeJob names a job for people: "moveShard 1007 of shard s1 (PRMR-1 → PRMR-2)".
func describeJob(j keys.Job, others int) string {
	var b strings.Builder
	b.WriteString(j.Type + " " + j.JobID)
	if j.Shard != "" {
		b.WriteString(" of shard " + j.Shard)
	}
	switch {
	case j.FromServer != "" || j.ToServer != "":
		fmt.Fprintf(&b, " (%s → %s)", j.FromServer, j.ToServer)
	case j.Server != "":
		b.WriteString(" of " + j.Server)
	}
	if others > 0 {
		fmt.Fprintf(&b, " and %d more", others)
	}
	return b.String()
}

// holderOf reads who holds the lock, and says it in words.
func holderOf(s agency.Snapshot) (keys.Holder, string) {
	var h keys.Holder
	if err := s.Root.At(keys.HotBackupHolder).Decode(&h); err != nil {
		return h, "somebody who left no name, until " + s.Root.At(keys.HotBackupCreate).Text()
	}
	return h, fmt.Sprintf("%s of backup %s on %s since %s", h.Operation, h.ID, h.Coordinator, h.Since)
}
