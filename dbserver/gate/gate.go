package gate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Gate is open when made.
type Gate struct {
	log hclog.Logger

	mu     sync.Mutex
	inside int // writers that have entered and not left
	// turn is the lock that holds the gate or waits for the writers inside; nil
	// when the gate is open. It is nil whenever locks and writers are empty.
	turn    *lock
	locks   []*lock   // waiting for their turn, in order of arrival
	writers []*writer // waiting for the end of turn, in order of arrival
	books   ledger
}

// lock is one call of Lock.
type lock struct {
	nonce  string
	lease  time.Duration
	result chan error // one answer to the caller; nil: granted
	held   bool
	expiry *time.Timer
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
	w := &writer{since: time.Now(), book: g.books.of(g.turn.nonce), admitted: make(chan struct{})}
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

// Lock takes the gate exclusively for nonce, for at most lease from the grant. It
// waits for the writers inside, and for other nonces before it, at most window;
// then the answer is apierror.LockTimeout and the writers that queued go on. A
// nonce that holds the gate, or waits for it, gets apierror.Locked, one that was
// given up apierror.GateLost. waited is how long the call took in any case.
func (g *Gate) Lock(ctx context.Context, nonce string, window, lease time.Duration) (waited time.Duration, err error) {
	begun := time.Now()
	l := &lock{nonce: nonce, lease: lease, result: make(chan error, 1)}
	if err := g.line(l); err != nil {
		return 0, err
	}
	timer := time.NewTimer(window)
	defer timer.Stop()
	select {
	case err = <-l.result:
	case <-timer.C:
		err = g.withdraw(l, func() error { return g.timeout(l, window) })
	case <-ctx.Done():
		err = g.withdraw(l, func() error { return fmt.Errorf("wait for the gate: %w", ctx.Err()) })
	}
	return time.Since(begun), err
}

// line puts a lock in its place.
func (g *Gate) line(l *lock) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy(l.nonce) {
		return apierror.New(apierror.Locked, "nonce %s holds the gate or waits for it already", l.nonce)
	}
	if b := g.books.of(l.nonce); b != nil && b.over {
		return apierror.New(apierror.GateLost, "nonce %s was given up before this lock arrived", l.nonce)
	}
	g.books.open(l.nonce, g.busy)
	g.locks = append(g.locks, l)
	if g.turn == nil {
		g.next()
	}
	return nil
}

// busy says whether a nonce holds the gate or waits for it.
func (g *Gate) busy(nonce string) bool {
	if g.turn != nil && g.turn.nonce == nonce {
		return true
	}
	return slices.ContainsFunc(g.locks, func(l *lock) bool { return l.nonce == nonce })
}

// next gives the gate to the first lock in line, if there is one.
func (g *Gate) next() {
	if len(g.locks) == 0 {
		return
	}
	g.turn = g.locks[0]
	g.locks = slices.Delete(g.locks, 0, 1)
	if g.inside == 0 || failpoint.Off("gate-waits-for-writers") {
		g.grant()
	}
}

// grant gives the lock in turn the gate. Its lease begins.
func (g *Gate) grant() {
	l := g.turn
	l.held = true
	g.books.of(l.nonce).grant(time.Now())
	l.expiry = time.AfterFunc(l.lease, func() { g.expire(l) })
	l.result <- nil
}

// endTurn opens the gate: the writers in the queue are inside before the next
// lock begins to wait.
func (g *Gate) endTurn() {
	now := time.Now()
	if g.turn.held {
		g.turn.expiry.Stop()
		g.books.of(g.turn.nonce).end(now)
	}
	g.turn = nil
	for _, w := range g.writers {
		w.book.waited(now.Sub(w.since))
		close(w.admitted)
	}
	g.inside += len(g.writers)
	g.writers = nil
	g.next()
}

// expire opens the gate when the lease has run out.
func (g *Gate) expire(l *lock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turn != l {
		return
	}
	reason := fmt.Sprintf("the lease of %s ran out", l.lease)
	if !failpoint.Off("expiry-is-told") {
		g.books.of(l.nonce).broken(reason)
	}
	g.log.Warn("gate opened by itself", "nonce", l.nonce, "reason", reason)
	g.endTurn()
}

// withdraw takes a lock out that has not been granted. It gives the answer to the
// call, which is the grant if that came in the same moment.
func (g *Gate) withdraw(l *lock, answer func() error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case err := <-l.result:
		return err
	default:
	}
	err := answer()
	if g.turn == l {
		g.endTurn()
	} else {
		g.locks = slices.DeleteFunc(g.locks, func(o *lock) bool { return o == l })
	}
	return err
}

// timeout is the error of a lock whose window ended.
func (g *Gate) timeout(l *lock, window time.Duration) error {
	if g.turn != l {
		return apierror.New(apierror.LockTimeout, "gate not granted within %s: another backup holds it or waits for it", window)
	}
	return apierror.New(apierror.LockTimeout, "gate not granted within %s: %d writers still inside", window, g.inside)
}

// Check answers apierror.GateLost unless nonce holds the gate now.
func (g *Gate) Check(nonce string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turn != nil && g.turn.held && g.turn.nonce == nonce {
		return nil
	}
	reason := "it was not granted"
	if b := g.books.of(nonce); b != nil && b.reason != "" {
		reason = b.reason
	}
	return apierror.New(apierror.GateLost, "nonce %s does not hold the gate: %s", nonce, reason)
}

// Release opens the gate if nonce holds it, and takes nonce out of the line if it
// waits. The report covers everything since the nonce's last release. Asked again
// it gives the same report, until the nonce locks again.
func (g *Gate) Release(nonce string) Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.release(nonce)
}

// GiveUp is Release for the last time: a lock for this nonce that is still on its
// way will be refused when it arrives.
func (g *Gate) GiveUp(nonce string) Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.release(nonce)
	g.books.finish(nonce, g.busy)
	return r
}

func (g *Gate) release(nonce string) Report {
	released := apierror.New(apierror.GateLost, "released while it waited for the gate")
	if g.turn != nil && g.turn.nonce == nonce {
		if !g.turn.held {
			g.turn.result <- released
		}
		g.endTurn()
	}
	g.locks = slices.DeleteFunc(g.locks, func(l *lock) bool {
		if l.nonce == nonce {
			l.result <- released
			return true
		}
		return false
	})
	return g.books.close(nonce)
}
