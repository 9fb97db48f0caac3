package create

import (
	"context"
	"fmt"
	"time"

	"stasis/client/certificate"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// unprotectedCut is the deadline of a cut that holds up no writers.
const unprotectedCut = 30 * time.Second

// holdInstant is steps 4, 5 and 6, tried again in growing windows: hold all gates at once,
// fix every cut, open the gates and collect the evidence. Writers queue only while an
// attempt lasts; between two attempts all gates are open.
func (c *creation) holdInstant(ctx context.Context) error {
	dead := newDeadTimes(c.by.Servers, c.cluster.Members)
	c.gates = &globalLock{
		op: c.op, servers: dead, dead: dead, members: c.cluster.Members, shards: c.shards, timeouts: c.by.Timeouts,
		first: time.Now(), silent: silentSince{}, report: certificate.LockReport{LockMode: c.request.LockMode},
	}
	if c.request.LockMode == certificate.LockModeNone {
		return c.cutUnprotected(ctx, "lock mode none was asked for")
	}
	forget := c.op.Undo.Push("gates", c.closeGates)
	held, err := c.tryWindows(ctx)
	if err != nil {
		return err
	}
	if held {
		forget()
		return nil
	}
	attempts := c.gates.report.Attempts
	last := attempts[len(attempts)-1]
	if c.request.AllowInconsistent {
		forget()
		return c.cutUnprotected(ctx, last.Failures())
	}
	return apierror.New(apierror.BackupCreate, "no global lock within %v (%d attempts in lock mode %s%s); the last failed on %s",
		time.Since(c.gates.first).Round(time.Millisecond), len(attempts), c.request.LockMode, c.forced(), last.Failures())
}

// forced says in an error what force has done.
func (c *creation) forced() string {
	switch {
	case !c.request.Force:
		return ""
	case c.request.LockMode != certificate.LockModeTransactions:
		return fmt.Sprintf(", for another timeout by force, which aborts no transaction in lock mode %s: none is waited for that is merely open", c.request.LockMode)
	}
	return fmt.Sprintf(", for another timeout by force, which has aborted %d open transactions", len(c.gates.report.Aborted()))
}

// tryWindows makes attempts until one succeeds or the timeout ends. With force it takes a second
// timeout.
func (c *creation) tryWindows(ctx context.Context) (held bool, err error) {
	w := windows{c.request.LockWait, c.request.LockGrowth}
	deadline, forced := c.lockDeadline(), false
	for n := 1; ; n++ {
		window := max(min(w.length(n), time.Until(deadline)), time.Millisecond)
		if held, err = c.gates.attempt(ctx, n, window, c.prepareAgain); held || err != nil {
			return held, err
		}
		if err := wait.For(ctx, min(c.by.Timeouts.Pause, time.Until(deadline))); err != nil {
			return false, err
		}
		if time.Until(deadline) > 0 {
			continue
		}
		if forced || !c.request.Force {
			return false, nil
		}
		deadline, forced = deadline.Add(c.request.Timeout), true
		c.gates.forced = true
	}
}

// cutUnprotected fixes the cuts without any gate, and marks the backup for ever.
func (c *creation) cutUnprotected(ctx context.Context, why string) error {
	c.marked = true
	c.gates.evidence = map[string]certificate.ServerEvidence{}
	c.op.Log.Warn("backup without the global lock is potentially inconsistent", "id", c.op.ID, "why", why)
	c.op.Emit(ctx, event.Event{Step: event.Unprotected, LockMode: string(certificate.LockModeNone), Detail: why})
	from := time.Now()
	c.op.Emit(ctx, event.Event{Step: event.Cut})
	request := dbclient.CutRequest{ID: c.op.ID, Nonce: c.op.Nonce, DeadlineSeconds: unprotectedCut.Seconds(), Unprotected: true}
	answers, err := c.gates.askCuts(ctx, request, unprotectedCut+c.by.Timeouts.Answer)
	if err != nil {
		return err
	}
	c.gates.statements, _ = statementsOf(c.shards, answers) // shards without a statement are not certified
	c.gates.instant = certificate.HeldIn(certificate.LockModeNone, c.op.Since(from), c.op.Since(time.Now()))
	return nil
}
