package create

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"stasis/client/certificate"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
)

// lock is step 4: it asks for all gates in parallel. If a gate is not granted within the window,
// or is lost, lock notes that in a, and the attempt ends. Any other error ends the backup at
// once, and so does a server that stays silent.
func (g *globalLock) lock(ctx context.Context, h *holds, window time.Duration, a *certificate.Attempt) error {
	asked := time.Now()
	h.evicts = g.evict(ctx)
	defer h.evicts.stop()
	request := dbclient.GateLockRequest{
		ID: g.op.ID, Nonce: g.op.Nonce, Attempt: h.attempt, WindowSeconds: window.Seconds(), LockMode: g.report.LockMode,
		// The first gate waits for the last one, and for all cuts. Beats bound the hold of a
		// coordinator that has died; the lease bounds that of one that sends beats and hangs.
		LeaseSeconds: (window + g.timeouts.Cut + 4*dbclient.GateSilence).Seconds(),
	}
	fatal := func(err error) bool { return !errors.Is(err, apierror.LockTimeout) } // all windows end together
	answers := fanout.Ask(h.alive, g.members, window+g.timeouts.Answer, fatal, fanout.Silently(func(ctx context.Context, m fanout.Member) error {
		return h.take(ctx, g.servers, m, request)
	}))
	var last time.Time
	var silent error
	for _, l := range answers {
		if g.silent.tooLong(l.ID, l.Err, g.timeouts.Answer) && silent == nil {
			silent = apierror.New(apierror.BackupLockFailed, "global lock: %w", l.Err)
		}
		if l.Err != nil && !errors.Is(l.Err, context.Canceled) { // the others were cut off because of this one
			a.Failed[l.ID] = l.Err.Error()
		}
		if l.At.After(last) {
			last, a.LastServer = l.At, l.ID
		}
		g.evidence[l.ID] = certificate.ServerEvidence{LockAsked: g.op.Since(asked), Granted: g.op.Since(l.At)}
	}
	if silent != nil {
		return silent
	}
	if err := fanout.FirstOf(answers, func(err error) bool { return !retryable(err) }); err != nil {
		return operation.Cause(ctx, apierror.New(apierror.BackupLockFailed, "global lock: %w", err))
	}
	maps.Copy(a.Failed, h.lost())
	return operation.Cause(ctx, nil)
}

// cut is step 5, while all gates are held: its beginning and end are the instant. If a server
// misses the deadline, or its gate is lost, cut notes that in a.
func (g *globalLock) cut(ctx context.Context, h *holds, a *certificate.Attempt) error {
	from := time.Now()
	g.report.LockSeconds = from.Sub(g.first).Seconds()
	g.op.Emit(ctx, event.Event{Step: event.Cut})
	request := dbclient.CutRequest{ID: g.op.ID, Nonce: g.op.Nonce, Attempt: h.attempt, DeadlineSeconds: g.timeouts.Cut.Seconds()}
	answers, err := g.askCuts(h.alive, request, g.timeouts.Cut+dbclient.GateSilence)
	if lost := h.lost(); len(lost) > 0 {
		maps.Copy(a.Failed, lost)
		err = nil
	}
	if err != nil {
		return operation.Cause(ctx, err)
	}
	for _, cut := range answers {
		if cut.Err != nil && a.Failed[cut.ID] == "" {
			a.Failed[cut.ID] = cut.Err.Error()
		}
	}
	g.cuts = answers
	to := time.Now()
	g.instant = certificate.HeldIn(g.report.LockMode, g.op.Since(from), g.op.Since(to))
	g.report.LockHoldSeconds = to.Sub(from).Seconds()
	return nil
}

// askCuts asks every server for its cut. Only a missed cut is an error in the answers; any other
// error ends the backup.
func (g *globalLock) askCuts(ctx context.Context, request dbclient.CutRequest, timeout time.Duration) (cuts, error) {
	final := func(err error) bool {
		missed := errors.Is(err, apierror.CutMissed) || errors.Is(err, apierror.GateLost) || errors.Is(err, context.DeadlineExceeded)
		return request.Unprotected || !missed
	}
	asked := time.Now()
	answers := fanout.Ask(ctx, g.members, timeout, final, func(ctx context.Context, m fanout.Member) (dbclient.CutResponse, error) {
		r, err := g.servers.Cut(ctx, m.Target, request)
		if err == nil {
			g.op.Emit(ctx, event.Event{Step: event.CutDone, Server: m.ID, Elapsed: operation.Duration(r.CutSeconds)})
		}
		return r, err
	})
	for _, cut := range answers {
		e := g.evidence[cut.ID]
		e.CutAsked, e.CutDone = g.op.Since(asked), g.op.Since(cut.At)
		g.evidence[cut.ID] = e
		g.report.CutSeconds = max(g.report.CutSeconds, cut.Value.CutSeconds)
	}
	if err := fanout.FirstOf(answers, final); err != nil {
		return answers, operation.Cause(ctx, fmt.Errorf("cut: %w", err))
	}
	return answers, nil
}

// open is step 6: every server opens its gate and answers how it was held. All are asked,
// whatever the others answer, and again if an answer is lost: a gate repeats its evidence. open
// does not wait for a server that is silent, because its gate opens without a request. If the
// evidence does not show that a gate was held all the time, open notes that in a.
func (g *globalLock) open(ctx context.Context, h *holds, a *certificate.Attempt) {
	asked := time.Now()
	request := dbclient.GateReleaseRequest{ID: g.op.ID, Nonce: g.op.Nonce, Attempt: h.attempt}
	answers := fanout.Ask(ctx, g.members, 2*g.timeouts.Answer, nil, func(ctx context.Context, m fanout.Member) (r dbclient.GateReleaseResponse, err error) {
		ctx, done := h.until(ctx, m)
		defer done()
		err = operation.Retry(ctx, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, g.timeouts.Answer)
			defer cancel()
			r, err = g.servers.GateRelease(ctx, m.Target, request)
			return err
		})
		return r, err
	})
	report := &g.report
	complete := len(a.Failed) == 0
	for _, r := range answers {
		e := g.evidence[r.ID]
		e.ReleaseAsked, e.Gate = g.op.Since(asked), r.Value
		g.evidence[r.ID] = e
		report.GateHoldSeconds = max(report.GateHoldSeconds, r.Value.HeldSeconds)
		switch why := e.Problem(g.instant); {
		case !complete: // it has failed before
		case r.Err != nil:
			a.Failed[r.ID] = r.Err.Error()
		case why != "":
			a.Failed[r.ID] = why
		}
	}
}

// giveUp is called when the backup has failed. The gates have opened with the requests that held
// them; giveUp makes servers refuse such requests that are still on their way. It does not wait
// for a server that does not answer at once: a request that arrives there late has no beats.
func (g *globalLock) giveUp(ctx context.Context) error {
	request := dbclient.GateReleaseRequest{ID: g.op.ID, Nonce: g.op.Nonce, Final: true}
	answers := fanout.Ask(ctx, g.members, dbclient.GateSilence, nil, fanout.Silently(func(ctx context.Context, m fanout.Member) error {
		_, err := g.servers.GateRelease(ctx, m.Target, request)
		return err
	}))
	for _, a := range answers {
		if a.Err != nil {
			g.op.Log.Info("gate not released; it opens without beats", "error", a.Err)
		}
	}
	return nil
}
