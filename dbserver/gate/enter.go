package gate

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Enter passes the gate shared and returns the function that leaves it; a second call of that
// function has no effect. It queues while a lock holds the gate or waits for the writers
// inside, and fails only if ctx ends meanwhile.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	g.mu.Lock()
	if g.turn == nil { // the path of nearly every write
		g.inside++
		g.mu.Unlock()
		return g.leaveOnce(), nil
	}
	w := &writer{since: time.Now(), evidence: g.evidence.of(g.turn.claim.Nonce), admitted: make(chan struct{})}
	g.writers = append(g.writers, w)
	g.mu.Unlock()
	select {
	case <-w.admitted:
		return g.leaveOnce(), nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.writers, w); i >= 0 {
		g.writers = slices.Delete(g.writers, i, i+1)
		w.evidence.waited(time.Since(w.since))
	} else { // endTurn has counted it in while ctx ended
		g.left()
	}
	return nil, fmt.Errorf("queue at the gate: %w", ctx.Err())
}

func (g *Gate) leaveOnce() func() {
	var gone atomic.Bool
	return func() {
		if gone.Swap(true) {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.left()
	}
}
