package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/step"
)

// unprotectedCut is the deadline of a cut for which nobody is held up.
const unprotectedCut = 30 * time.Second

// gateWork is what steps 4 to 6 leave behind.
type gateWork struct {
	evidence map[string]ServerEvidence
	cuts     []answer[dbserver.CutResponse]
	shards   map[string]dbserver.ShardStatement // what the leaders have stated with their cuts
	instant  Instant
	report   LockReport
	first    time.Time // the first attempt
	mute     mute
}

// windows says how long each attempt waits for the gates: the n-th (from 1)
// first·growthⁿ⁻¹, but no longer than a DB server lets its writers queue.
type windows struct {
	first  time.Duration
	growth float64
}

func (w windows) length(n int) time.Duration {
	f := float64(w.first) * math.Pow(w.growth, float64(n-1))
	if f >= float64(dbserver.MaxGateWindow) {
		return dbserver.MaxGateWindow
	}
	return time.Duration(math.Round(f))
}

// holdInstant is steps 4, 5 and 6, tried again in growing windows: hold all gates
// at once, fix every cut, open the gates and collect the evidence. Writers queue
// only while an attempt lasts; between two attempts all gates are open.
func (c *create) holdInstant(ctx context.Context) error {
	if c.WithoutLocks {
		return c.cutUnprotected(ctx, "locks are switched off")
	}
	forget := c.undo.push("gates", c.giveUpGates)
	c.gates.first, c.gates.mute = time.Now(), mute{}
	held, err := c.tryWindows(ctx)
	if err != nil {
		return err
	}
	forget()
	if held {
		return nil
	}
	attempts := c.gates.report.Attempts
	last := attempts[len(attempts)-1]
	if c.request.AllowInconsistent {
		return c.cutUnprotected(ctx, failures(last.Failed))
	}
	return apierror.New(apierror.BackupCreate, "no global lock within %v (%d attempts); the last failed on %s",
		time.Since(c.gates.first).Round(time.Millisecond), len(attempts), failures(last.Failed))
}

// tryWindows makes attempts until one succeeds or the time is over; force gives
// it a second timeout.
func (c *create) tryWindows(ctx context.Context) (held bool, err error) {
	w := windows{c.request.LockWait, c.request.LockGrowth}
	deadline, forced := c.lockDeadline(), false
	for n := 1; ; n++ {
		window := max(min(w.length(n), time.Until(deadline)), time.Millisecond)
		if held, err = c.attempt(ctx, n, window); held || err != nil {
			return held, err
		}
		if err := pause(ctx, min(c.Timing.Pause, time.Until(deadline))); err != nil {
			return false, err
		}
		if time.Until(deadline) > 0 {
			continue
		}
		if forced || !c.request.Force {
			return false, nil
		}
		deadline, forced = deadline.Add(c.request.Timeout), true
	}
}

// attempt is one try. It returns false without error when a window or a cut's
// deadline was missed, or a gate was lost, with everything open again and nothing left.
func (c *create) attempt(ctx context.Context, n int, window time.Duration) (held bool, err error) {
	start := time.Now()
	a := Attempt{WindowSeconds: seconds(window), Failed: map[string]string{}}
	defer func() {
		a.ElapsedSeconds = seconds(time.Since(start))
		c.gates.report.Attempts = append(c.gates.report.Attempts, a)
	}()
	c.emit(ctx, step.Event{Step: step.LockAttempt, Attempt: n, Window: window})
	c.gates.evidence = map[string]ServerEvidence{}
	h := newHolds(ctx, n, c.cluster.members)
	defer h.stop()
	if err := c.lockGates(ctx, h, window, &a); err != nil {
		return false, err
	}
	cut := false
	if len(a.Failed) == 0 {
		c.emit(ctx, step.Event{Step: step.Locked, Attempt: n, Elapsed: time.Since(start)})
		cut = true
		if err := c.cut(ctx, h, &a); err != nil {
			return false, err
		}
	}
	c.openGates(ctx, h, &a)
	h.stop()
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if cut && len(a.Failed) == 0 {
		c.gates.shards, a.Failed = stated(c.planned, c.gates.cuts)
	}
	if len(a.Failed) == 0 {
		c.emit(ctx, step.Event{Step: step.GatesOpened, Attempt: n, Elapsed: duration(c.gates.report.LockHoldSeconds)})
		return true, nil
	}
	c.emit(ctx, step.Event{Step: step.LockFailed, Attempt: n, Window: window, Elapsed: time.Since(start), Detail: failures(a.Failed)})
	if cut {
		return false, c.prepareAgain(ctx)
	}
	return false, nil
}

// prepareAgain follows a missed cut: those that were made are of no use without
// it, and what made one late has to be flushed first. If the lock phase is over, and the
// backup goes on neither by force nor without the lock, there is nothing to flush for.
func (c *create) prepareAgain(ctx context.Context) error {
	if err := c.dropPieces(ctx); err != nil {
		return fmt.Errorf("drop the pieces of a missed cut: %w", err)
	}
	end := c.lockDeadline()
	for _, longer := range []bool{c.request.Force, c.request.AllowInconsistent} {
		if longer {
			end = end.Add(c.request.Timeout)
		}
	}
	if time.Until(end) <= 0 {
		return nil
	}
	return c.prepareUntil(ctx, end)
}

// lockGates is step 4: all gates in parallel. A gate that was not had within the
// window, or was lost, is noted, and ends the attempt; any other trouble ends the backup
// at once, and so does a server that stays silent.
func (c *create) lockGates(ctx context.Context, h *holds, window time.Duration, a *Attempt) error {
	asked := time.Now()
	request := dbserver.GateLockRequest{
		ID: c.id, Nonce: c.nonce, Attempt: h.attempt, WindowSeconds: seconds(window),
		// The first gate waits for the last one, and for all cuts. Beats bound the hold of a
		// coordinator that is gone; this bounds that of one that lives and stands still.
		LeaseSeconds: seconds(window + c.Timing.Cut + 4*dbserver.GateSilence),
	}
	fatal := func(err error) bool { return !errors.Is(err, apierror.LockTimeout) } // all windows end together
	answers := ask(h.alive, c.cluster.members, window+c.Timing.Answer, fatal, func(ctx context.Context, m member) (struct{}, error) {
		return struct{}{}, h.take(ctx, c.Servers, m, request)
	})
	var last time.Time
	for _, l := range answers {
		if c.gates.mute.tooLong(l.id, l.err, c.Timing.Answer) {
			return apierror.New(apierror.BackupLockFailed, "global lock: %w", l.err)
		}
		if l.err != nil && !errors.Is(l.err, context.Canceled) { // those were cut off for another
			a.Failed[l.id] = l.err.Error()
		}
		if l.at.After(last) {
			last, a.LastServer = l.at, l.id
		}
		c.gates.evidence[l.id] = ServerEvidence{LockAsked: c.since(asked), Granted: c.since(l.at)}
	}
	if err := firstOf(answers, func(err error) bool { return !passes(err) }); err != nil {
		return inContext(ctx, apierror.New(apierror.BackupLockFailed, "global lock: %w", err))
	}
	maps.Copy(a.Failed, h.lost())
	return inContext(ctx, nil)
}

// cut is step 5, with all gates held: its moments are the instant. A server that
// misses the deadline, or whose gate is lost, makes the attempt a failed one.
func (c *create) cut(ctx context.Context, h *holds, a *Attempt) error {
	from := time.Now()
	c.gates.report.LockSeconds = seconds(from.Sub(c.gates.first))
	c.emit(ctx, step.Event{Step: step.Cut})
	request := dbserver.CutRequest{ID: c.id, Nonce: c.nonce, Attempt: h.attempt, DeadlineSeconds: seconds(c.Timing.Cut)}
	answers, err := c.fanOutCut(h.alive, request, c.Timing.Cut+dbserver.GateSilence)
	if lost := h.lost(); len(lost) > 0 {
		maps.Copy(a.Failed, lost)
		err = nil
	}
	if err != nil {
		return inContext(ctx, err)
	}
	for _, cut := range answers {
		if cut.err != nil && a.Failed[cut.id] == "" {
			a.Failed[cut.id] = cut.err.Error()
		}
	}
	c.gates.cuts = answers
	to := time.Now()
	c.gates.instant = Instant{LockMode: LockModeGates, From: c.since(from), To: c.since(to)}
	c.gates.report.LockHoldSeconds = seconds(to.Sub(from))
	return nil
}

// fanOutCut asks every server for its cut. Only missed ones come back as errors
// in the answers.
func (c *create) fanOutCut(ctx context.Context, request dbserver.CutRequest, patience time.Duration) ([]answer[dbserver.CutResponse], error) {
	final := func(err error) bool {
		missed := errors.Is(err, apierror.CutMissed) || errors.Is(err, apierror.GateLost) || errors.Is(err, context.DeadlineExceeded)
		return request.Unprotected || !missed
	}
	asked := time.Now()
	answers := ask(ctx, c.cluster.members, patience, final, func(ctx context.Context, m member) (dbserver.CutResponse, error) {
		r, err := c.Servers.Cut(ctx, m.target, request)
		if err == nil {
			c.emit(ctx, step.Event{Step: step.CutDone, Server: m.id, Elapsed: duration(r.CutSeconds)})
		}
		return r, err
	})
	for _, cut := range answers {
		e := c.gates.evidence[cut.id]
		e.CutAsked, e.CutDone = c.since(asked), c.since(cut.at)
		c.gates.evidence[cut.id] = e
		c.gates.report.CutSeconds = max(c.gates.report.CutSeconds, cut.value.CutSeconds)
	}
	if err := firstOf(answers, final); err != nil {
		return answers, inContext(ctx, fmt.Errorf("cut: %w", err))
	}
	return answers, nil
}

// openGates is step 6: every server opens its gate and says how it was held. All
// are asked, whatever the others answer, and more than once if an answer is lost: a gate
// gives the same evidence again. A server that is silent is not waited for: its gate
// opens by itself. Where the evidence does not show that the gate was held all the time,
// the attempt has failed.
func (c *create) openGates(ctx context.Context, h *holds, a *Attempt) {
	asked := time.Now()
	request := dbserver.GateReleaseRequest{ID: c.id, Nonce: c.nonce, Attempt: h.attempt}
	answers := ask(ctx, c.cluster.members, 2*c.Timing.Answer, nil, func(ctx context.Context, m member) (r dbserver.GateReleaseResponse, err error) {
		ctx, done := h.until(ctx, m)
		defer done()
		err = insist(ctx, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, c.Timing.Answer)
			defer cancel()
			r, err = c.Servers.GateRelease(ctx, m.target, request)
			return err
		})
		return r, err
	})
	report := &c.gates.report
	complete := len(a.Failed) == 0
	for _, r := range answers {
		e := c.gates.evidence[r.id]
		e.ReleaseAsked, e.Gate = c.since(asked), r.value
		c.gates.evidence[r.id] = e
		report.WritersWaited += r.value.WritersWaited
		report.DeadSumSeconds += r.value.DeadSumSeconds
		report.DeadLongestSeconds = max(report.DeadLongestSeconds, r.value.DeadLongestSeconds)
		report.GateHoldSeconds = max(report.GateHoldSeconds, r.value.HeldSeconds)
		switch why := e.problem(c.gates.instant); {
		case !complete: // it has failed before
		case r.err != nil:
			a.Failed[r.id] = r.err.Error()
		case why != "":
			a.Failed[r.id] = why
		}
	}
}

// cutUnprotected fixes the cuts without any gate and marks the backup for ever.
func (c *create) cutUnprotected(ctx context.Context, why string) error {
	c.marked = true
	c.gates.evidence = map[string]ServerEvidence{}
	c.log.Warn("backup without the global lock is potentially inconsistent", "id", c.id, "why", why)
	c.emit(ctx, step.Event{Step: step.Unprotected, Detail: why})
	from := time.Now()
	c.emit(ctx, step.Event{Step: step.Cut})
	request := dbserver.CutRequest{ID: c.id, Nonce: c.nonce, DeadlineSeconds: seconds(unprotectedCut), Unprotected: true}
	answers, err := c.fanOutCut(ctx, request, unprotectedCut+c.Timing.Answer)
	if err != nil {
		return err
	}
	c.gates.shards, _ = stated(c.planned, answers) // what is not known is not certified
	c.gates.instant = Instant{LockMode: LockModeNone, From: c.since(from), To: c.since(time.Now())}
	return nil
}

// failures is "PRMR-1: why; PRMR-2: why". The reasons may say the name themselves.
func failures(failed map[string]string) string {
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		why := failed[id]
		if !strings.Contains(why, id) {
			why = id + ": " + why
		}
		parts = append(parts, why)
	}
	return strings.Join(parts, "; ")
}
