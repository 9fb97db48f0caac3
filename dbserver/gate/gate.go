package gate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Gate is open when made.
type Gate struct {
	log hclog.Logger

	mu     sync.Mutex
	inside int // writers that have entered and not left
	// turn is the lock that holds the gate or waits for the writers inside; nil
	// when the gate is open. It is nil whenever locks and writers are empty.
	turn    *Lock
	locks   []*Lock   // waiting for their turn, in order of arrival
	writers []*writer // waiting for the end of turn, in order of arrival
	books   ledger
}

// writer is one call of Enter that queues.
type writer struct {
	since    time.Time
	book     *book
	admitted chan struct{}
}

// New makes an open gate. A nil logger logs nothing.
func New(log hclog.Logger) *Gate {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	return &Gate{log: log, books: newLedger()}
}

// Enter passes the gate shared and gives the function that leaves it; calling
// that again is harmless. It queues while the gate is held or waited for, and
// fails only when ctx ends meanwhile.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	g.mu.Lock()
	if g.turn == nil { // the way of nearly every write
		g.inside++
		g.mu.Unlock()
		return g.leaveOnce(), nil
	}
	w := &writer{since: time.Now(), book: g.books.of(g.turn.claim.Nonce), admitted: make(chan struct{})}
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
		w.book.waited(time.Since(w.since))
	} else { // admitted in the same moment
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

// left counts a writer out; the last one lets the lock in.
func (g *Gate) left() {
	g.inside--
	if g.inside == 0 && g.turn != nil && !g.turn.held {
		g.grant()
	}
}
