package gate

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Enter passes the gate shared, for a write, and returns the function that leaves it; a second call of
// that function has no effect. It queues while a lock holds the gate or waits for it, and fails only if
// ctx ends meanwhile.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	return g.EnterUntil(ctx, time.Time{})
}

// EnterUntil is Enter for a write that does not wait longer than until: then it fails with
// [apierror.GateClosed]. Zero is as long as ctx lasts.
func (g *Gate) EnterUntil(ctx context.Context, until time.Time) (leave func(), err error) {
	g.mu.Lock()
	if g.turn == nil { // the path of nearly every write
		g.inside[Writer]++
		g.mu.Unlock()
		return g.leaveOnce(), nil
	}
	return g.queueUp(ctx, Entry{Until: until})
}

// EnterAs is EnterUntil for any operation. It queues while a lock holds the gate or waits for it that
// does not let the operation in.
func (g *Gate) EnterAs(ctx context.Context, e Entry) (leave func(), err error) {
	g.mu.Lock()
	if g.turn == nil || g.turn.lets(e) {
		leave = g.admit(e)
		g.mu.Unlock()
		return leave, nil
	}
	return g.queueUp(ctx, e)
}

// TryEnterAs is EnterAs for an operation that does not wait: it fails with [apierror.GateClosed] at once if it would have to. Its
// transaction may be inside other gates, and no transaction waits at one gate while others wait for it at another.
func (g *Gate) TryEnterAs(e Entry) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turn == nil || g.turn.lets(e) {
		return g.admit(e), nil
	}
	return nil, g.turn.refusal(0)
}

// queueUp waits until the turn has ended. It is called with mu held, and lets go of it.
func (g *Gate) queueUp(ctx context.Context, e Entry) (leave func(), err error) {
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
