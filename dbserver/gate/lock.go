package gate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stasis/internal/apierror"
)

// Lock queues a claim. It is granted at once if nothing is inside for which it waits and no other
// lock queues. If its window ends before it is granted, the Lock ends with [apierror.LockTimeout],
// and those that queued go on. An attempt that comes late is [apierror.GateLost].
func (g *Gate) Lock(c Claim) (*Lock, error) {
	c.Mode = cmp.Or(c.Mode, Transactions)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.evidence.admits(c.Nonce, c.Attempt); err != nil {
		return nil, err
	}
	if older := g.find(c.Nonce); older != nil {
		g.breakOff(older, fmt.Sprintf("attempt %d has begun", c.Attempt))
	}
	now := time.Now()
	l := &Lock{gate: g, claim: c, since: now, beat: now, granted: make(chan struct{}), ended: make(chan struct{})}
	g.evidence.open(c.Nonce, evidence{attempt: c.Attempt, mode: c.Mode}, g.busy)
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

// Held is how long it held the gate, once it has ended; 0 if it was not granted.
func (l *Lock) Held() time.Duration { return l.kept }

// Beat says that the holder lives. A beat that comes longer than Silence after the one before
// ends the lock. This server or the coordinator was stopped for so long. When it goes on it
// may find any number of old beats, which say nothing about now. So the gate opens although no
// timer has ended the hold yet, and the backup tries again.
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

// Break ends the lock, if it has not ended, because its holder is gone.
func (l *Lock) Break(reason string) {
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	if !l.over() {
		l.gate.breakOff(l, reason)
	}
}

// listen ends the lock if it has been silent for too long, and otherwise looks again when that
// can be so. One timer per silence costs less than one per beat.
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
	g.end(l, apierror.New(apierror.LockTimeout, "gate not granted within %s: %s", l.claim.Window, g.inTheWay(l.claim.Mode)))
}

// mostNamed is how many of those that are in the way of a lock are named.
const mostNamed = 3

// inTheWay says for what a lock in that mode waits: how many, and who, the oldest first. It is called with mu held.
func (g *Gate) inTheWay(m Mode) string {
	var parts []string
	for class, what := range map[Class]string{Writer: "writers still inside", Committing: "transactions still commit", Open: "transactions still open"} {
		if n := g.inside[class]; n > 0 && (m != Commits || class != Open) {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	slices.Sort(parts)
	text := strings.Join(parts, ", ")
	guests := slices.SortedFunc(maps.Keys(g.guests), func(a, b *guest) int {
		return cmp.Or(a.since.Compare(b.since), strings.Compare(a.who, b.who))
	})
	guests = slices.DeleteFunc(guests, func(v *guest) bool { return m == Commits && v.class == Open })
	for i, v := range guests[:min(len(guests), mostNamed)] {
		text += []string{": ", "; ", "; "}[i] + v.String()
	}
	if more := len(guests) - mostNamed; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
