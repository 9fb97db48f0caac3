package api

import (
	"context"
	"time"

	"stasis/dbserver/gate"
)

// passage is the way of a write through the gate. It belongs to one goroutine.
type passage struct {
	gate  *gate.Gate
	ctx   context.Context // of the request
	until time.Time       // as long as its client waits at the gate
	leave func()          // a second call has no effect
}

// pass passes the gate.
func (d Documents) pass(ctx context.Context, until time.Time) (*passage, error) {
	leave, err := d.Gate.EnterUntil(ctx, until)
	if err != nil {
		return nil, endOf(ctx, err)
	}
	return &passage{gate: d.Gate, ctx: ctx, until: until, leave: leave}, nil
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
