package gate

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Enter is EnterAs for a write that waits as long as ctx lasts.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	return g.EnterAs(ctx, Entry{})
}

// EnterAs passes the gate shared and returns the function that leaves it; a second call of that
// function has no effect. It queues while a lock holds the gate or waits for it that does not let the
// operation in. It fails if ctx ends meanwhile, and with [apierror.GateClosed] if e.Until has come.
func (g *Gate) EnterAs(ctx context.Context, e Entry) (leave func(), err error) {
	g.mu.Lock()
	if g.turn == nil || g.turn.lets(e) { // the path of nearly every write
		leave = g.admit(e)
		g.mu.Unlock()
		return leave, nil
	}
	w := &waiter{entry: e, behind: g.turn, since: time.Now(), evidence: g.evidence.of(g.turn.claim.Nonce), admitted: make(chan struct{})}
	g.queue = append(g.queue, w)
	g.mu.Unlock()
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if !e.Until.IsZero() {
		bounded, cancel = context.WithDeadline(ctx, e.Until)
	}
	defer cancel()
	select {
	case <-w.admitted:
		return w.leave, nil
	case <-bounded.Done():
	}
	return g.giveUpQueue(ctx, w)
}

// giveUpQueue takes an operation out of the queue that waits no longer, unless it has been admitted meanwhile.
func (g *Gate) giveUpQueue(ctx context.Context, w *waiter) (leave func(), err error) {
	g.mu.Lock()
	i := slices.Index(g.queue, w)
	waited := time.Since(w.since)
	if i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		w.evidence.waited(w.entry.Class, waited)
	}
	g.mu.Unlock()
	switch ended := ctx.Err(); {
	case ended == nil && i < 0:
		return w.leave, nil
	case ended == nil:
		return nil, w.behind.refusal(waited)
	default:
		if i < 0 {
			w.leave()
		}
		return nil, fmt.Errorf("queue at the gate: %w", ended)
	}
}

// admit counts an operation in. It is called with mu held.
func (g *Gate) admit(e Entry) (leave func()) {
	g.inside[e.Class]++
	var v *guest
	if e.Who != "" {
		v = &guest{who: e.Who, class: e.Class, since: time.Now()}
		g.guests[v] = true
	}
	var gone atomic.Bool
	class := e.Class
	return func() {
		if gone.Swap(true) {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if v != nil {
			delete(g.guests, v)
		}
		g.left(class)
	}
}
