package gate

import (
	"fmt"
	"slices"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Claim is one attempt of a backup to hold the gate exclusively.
type Claim struct {
	Nonce string
	// Attempt counts the attempts under the nonce. One that is not newer than the
	// newest that was seen comes late, and is refused; a newer one ends an older one.
	Attempt uint64
	Window  time.Duration // how long it waits for the writers inside and for others before it
	Lease   time.Duration // how long it holds from the grant, whatever happens
	Silence time.Duration // it ends when it has had no Beat for so long; 0: it needs none
}

// Lock is a claim that waits for the gate or holds it.
type Lock struct {
	gate    *Gate
	claim   Claim
	since   time.Time
	waited  time.Duration
	beat    time.Time // the last one, or the begin
	timers  []*time.Timer
	held    bool
	granted chan struct{} // closed when it holds
	ended   chan struct{} // closed when it neither waits nor holds any more
	err     error         // why it ended; nil: released, having held
}

// Lock puts a claim into the line. The Lock is granted at once if nobody is inside. When
// the window ends before that, it ends with apierror.LockTimeout and the writers that
// queued go on. An attempt that comes late is apierror.GateLost.
func (g *Gate) Lock(c Claim) (*Lock, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.books.admits(c.Nonce, c.Attempt); err != nil {
		return nil, err
	}
	if older := g.find(c.Nonce); older != nil {
		g.breakOff(older, fmt.Sprintf("attempt %d has begun", c.Attempt))
	}
	now := time.Now()
	l := &Lock{gate: g, claim: c, since: now, beat: now, granted: make(chan struct{}), ended: make(chan struct{})}
	g.books.open(c.Nonce, c.Attempt, g.busy)
	g.locks = append(g.locks, l)
	if g.turn == nil {
		g.next()
	}
	if !l.held {
		l.after(c.Window, func() { g.breakOffWaiting(l) })
	}
	if c.Silence > 0 {
		l.after(c.Silence, func() { g.listen(l) })
	}
	return l, nil
}

// Granted is closed when the lock holds the gate.
func (l *Lock) Granted() <-chan struct{} { return l.granted }

// Ended is closed when the lock neither waits nor holds any more.
func (l *Lock) Ended() <-chan struct{} { return l.ended }

// Err says, once the lock has ended, why: nil if it held the gate until its release.
func (l *Lock) Err() error { return l.err }

// Waited is how long it took from the claim to the grant.
func (l *Lock) Waited() time.Duration { return l.waited }

// Beat says that the holder lives. One that comes too long after the one before does
// not: whoever was stopped for so long, this server or the other, may find any number
// of beats waiting, and they say nothing about now. So the gate opens, however
// unbroken it was, and the backup tries again.
func (l *Lock) Beat() {
	g := l.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.over() {
		return
	}
	now := time.Now()
	if l.claim.Silence > 0 && now.Sub(l.beat) > l.claim.Silence {
		g.breakOff(l, l.Silent())
		return
	}
	l.beat = now
}

// Break ends the lock, if it has not ended: its holder is gone.
func (l *Lock) Break(reason string) {
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	if !l.over() {
		l.gate.breakOff(l, reason)
	}
}

func (l *Lock) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// Silent is the reason of a lock whose beats do not come any more.
func (l *Lock) Silent() string {
	return fmt.Sprintf("no beat of the coordinator for %s", l.claim.Silence)
}

func (l *Lock) after(d time.Duration, do func()) {
	l.timers = append(l.timers, time.AfterFunc(d, do))
}

// listen is called when the lock may have been silent for too long.
func (g *Gate) listen(l *Lock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.over() {
		return
	}
	if rest := l.claim.Silence - time.Since(l.beat); rest > 0 {
		l.after(rest, func() { g.listen(l) })
		return
	}
	g.breakOff(l, l.Silent())
}

// expire opens the gate when the lease has run out.
func (g *Gate) expire(l *Lock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !l.over() {
		g.breakOff(l, fmt.Sprintf("the lease of %s ran out", l.claim.Lease))
	}
}

// breakOffWaiting ends a lock that was not granted within its window.
func (g *Gate) breakOffWaiting(l *Lock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.over() || l.held {
		return
	}
	if g.turn != l {
		g.end(l, apierror.New(apierror.LockTimeout, "gate not granted within %s: another backup holds it or waits for it", l.claim.Window))
		return
	}
	g.end(l, apierror.New(apierror.LockTimeout, "gate not granted within %s: %d writers still inside", l.claim.Window, g.inside))
}

// breakOff ends a lock against its holder's will.
func (g *Gate) breakOff(l *Lock, reason string) {
	if l.held && !failpoint.Off("expiry-is-told") {
		g.books.of(l.claim.Nonce).broken(reason)
		g.log.Warn("gate opened by itself", "nonce", l.claim.Nonce, "reason", reason)
	}
	g.end(l, apierror.New(apierror.GateLost, "%s", reason))
}

// end takes a lock out of the line, or opens the gate that it holds.
func (g *Gate) end(l *Lock, err error) {
	for _, t := range l.timers {
		t.Stop()
	}
	l.err = err
	close(l.ended)
	if g.turn == l {
		g.endTurn()
		return
	}
	g.locks = slices.DeleteFunc(g.locks, func(o *Lock) bool { return o == l })
}

// find gives a nonce's lock that waits or holds; nil if there is none.
func (g *Gate) find(nonce string) *Lock {
	if g.turn != nil && g.turn.claim.Nonce == nonce {
		return g.turn
	}
	if i := slices.IndexFunc(g.locks, func(l *Lock) bool { return l.claim.Nonce == nonce }); i >= 0 {
		return g.locks[i]
	}
	return nil
}

// busy says whether a nonce holds the gate or waits for it.
func (g *Gate) busy(nonce string) bool { return g.find(nonce) != nil }

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
	l, now := g.turn, time.Now()
	l.held, l.waited = true, now.Sub(l.since)
	g.books.of(l.claim.Nonce).grant(now)
	l.after(l.claim.Lease, func() { g.expire(l) })
	close(l.granted)
}

// endTurn opens the gate: the writers in the queue are inside before the next
// lock begins to wait.
func (g *Gate) endTurn() {
	now := time.Now()
	if g.turn.held {
		g.books.of(g.turn.claim.Nonce).end(now)
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

// Check answers apierror.GateLost unless this attempt holds the gate now.
func (g *Gate) Check(nonce string, attempt uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.turn; l != nil && l.held && l.claim.Nonce == nonce && l.claim.Attempt == attempt {
		return nil
	}
	reason := "it was not granted"
	if b := g.books.of(nonce); b != nil && b.reason != "" {
		reason = b.reason
	}
	return apierror.New(apierror.GateLost, "nonce %s does not hold the gate: %s", nonce, reason)
}

// Knows says whether a nonce is remembered: it has the gate, waits for it, or has had it.
func (g *Gate) Knows(nonce string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.books.of(nonce) != nil
}

// Release opens the gate if this attempt holds it, or takes it out of the line. The
// report covers everything since the nonce's last release. Asked again it gives the same
// report, until the next attempt. A release that comes after that changes nothing.
func (g *Gate) Release(nonce string, attempt uint64) Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b := g.books.of(nonce); b != nil && b.attempt > attempt {
		return Report{Reason: fmt.Sprintf("attempt %d has begun since", b.attempt)}
	}
	return g.release(nonce, attempt)
}

// GiveUp releases the nonce for good: a lock that is still on its way is refused.
func (g *Gate) GiveUp(nonce string) Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	attempt := uint64(0)
	if b := g.books.of(nonce); b != nil {
		attempt = b.attempt
	}
	r := g.release(nonce, attempt)
	g.books.of(nonce).over = true
	return r
}

func (g *Gate) release(nonce string, attempt uint64) Report {
	if l := g.find(nonce); l != nil {
		var err error
		if !l.held {
			err = apierror.New(apierror.GateLost, "released while it waited for the gate")
		}
		g.end(l, err)
	}
	return g.books.close(nonce, attempt, g.busy)
}
