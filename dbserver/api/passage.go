package api

import (
	"context"
	"errors"
	"time"

	"stasis/dbserver/gate"
	"stasis/internal/apierror"
)

// passage is the way of a write through the gate. It belongs to one goroutine.
type passage struct {
	gate  *gate.Gate
	ctx   context.Context // of the request
	until time.Time       // as long as its client waits at the gate
	leave func()          // a second call has no effect
}

// pass passes the gate.
func pass(ctx context.Context, g *gate.Gate, until time.Time) (*passage, error) {
	leave, err := g.EnterUntil(ctx, until)
	if err != nil {
		return nil, endOf(ctx, err)
	}
	return &passage{gate: g, ctx: ctx, until: until, leave: leave}, nil
}

// Aside implements [dbclient.Passage].
func (p *passage) Aside(wait func()) error {
	p.leave()
	wait()
	leave, err := p.gate.EnterUntil(p.ctx, p.until)
	if err != nil {
		return endOf(p.ctx, err)
	}
	p.leave = leave
	return nil
}

// end leaves the gate.
func (p *passage) end() { p.leave() }

// endOf is why a context ended, before anything was applied, or why the gate was not entered.
func endOf(ctx context.Context, err error) error {
	if errors.Is(err, apierror.GateClosed) {
		return err
	}
	if why := apierror.From(context.Cause(ctx)); why.Num != apierror.Internal {
		return why
	}
	return apierror.New(apierror.Cancelled, "%w", err)
}
