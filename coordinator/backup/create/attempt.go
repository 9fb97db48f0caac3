package create

import (
	"context"
	"time"

	"stasis/client/certificate"
	"stasis/coordinator/backup/operation"
	"stasis/event"
)

// attempt tries once to hold all gates, cut, and open them. held is false without an error if a
// window or a cut's deadline was missed, or a gate was lost. Then all gates are open; if cuts
// were made, attempt calls again to prepare for the next attempt.
func (g *globalLock) attempt(ctx context.Context, n int, window time.Duration, again func(context.Context) error) (held bool, err error) {
	start := time.Now()
	a := certificate.Attempt{WindowSeconds: window.Seconds(), Failed: map[string]string{}}
	h := newHolds(ctx, n, g.members)
	defer func() { g.reported(a, h, start) }()
	defer h.stop()
	g.op.Emit(ctx, event.Event{Step: event.LockAttempt, Attempt: n, Window: window, LockMode: string(g.report.LockMode)})
	g.evidence, g.cuts, g.instant = map[string]certificate.ServerEvidence{}, nil, certificate.Instant{}
	g.dead.begin(n)
	if err := g.lock(ctx, h, window, &a); err != nil {
		return false, err
	}
	cut := false
	if len(a.Failed) == 0 {
		g.op.Emit(ctx, event.Event{Step: event.Locked, Attempt: n, LockMode: string(g.report.LockMode), Elapsed: time.Since(start)})
		cut = true
		if err := g.cut(ctx, h, &a); err != nil {
			return false, err
		}
	}
	g.open(ctx, h, &a)
	h.stop()
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if cut && len(a.Failed) == 0 {
		g.statements, a.Failed = statementsOf(g.shards, g.cuts)
	}
	if len(a.Failed) == 0 {
		g.op.Emit(ctx, event.Event{Step: event.GatesOpened, Attempt: n, Elapsed: operation.Duration(g.report.LockHoldSeconds)})
		return true, nil
	}
	g.op.Emit(ctx, event.Event{Step: event.LockFailed, Attempt: n, Window: window, LockMode: string(g.report.LockMode), Elapsed: time.Since(start), Detail: a.Failures()})
	if cut {
		return false, again(ctx)
	}
	return false, nil
}
