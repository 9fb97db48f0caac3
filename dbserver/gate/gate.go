package gate

import (
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
	inside [classes]int    // operations that have entered and not left, by class
	guests map[*guest]bool // those of them that have a name
	// turn is the lock that holds the gate or waits for those inside. It is nil when
	// the gate is open; then locks and queue are empty.
	turn     *Lock
	locks    []*Lock   // waiting for their turn, in order of arrival
	queue    []*waiter // waiting for the end of turn, in order of arrival
	evidence archive
}

// waiter is a call of EnterAs that queues.
type waiter struct {
	entry    Entry
	behind   *Lock
	since    time.Time
	evidence *evidence
	admitted chan struct{} // closed when it is inside; leave is there then
	leave    func()
}

// New makes an open gate. A nil logger logs nothing.
func New(log hclog.Logger) *Gate {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	return &Gate{log: log, guests: map[*guest]bool{}, evidence: newArchive()}
}

// Lock is a claim that waits for the gate or holds it.
type Lock struct {
	gate    *Gate
	claim   Claim
	since   time.Time
	waited  time.Duration
	kept    time.Duration // from the grant to the end
	beat    time.Time     // the last one, or the begin
	timers  []*time.Timer
	held    bool
	granted chan struct{} // closed when it holds
	ended   chan struct{} // closed when it neither waits nor holds any more
	err     error         // why it ended; nil: released, having held
}

// Claim is one attempt of a backup to hold the gate exclusively.
type Claim struct {
	ID    string // of the backup, for those whom the claim holds up
	Nonce string
	Mode  Mode // "" is Transactions
	// Attempt counts the attempts under the nonce. One that is not newer than the
	// newest that was seen comes late, and is refused; a newer one ends an older one.
	Attempt uint64
	Window  time.Duration // how long it waits for the writers inside and for others before it
	Lease   time.Duration // how long it holds from the grant, whatever happens
	Silence time.Duration // it ends when it has had no Beat for so long; 0: it needs none
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

// lets says whether an operation enters although the lock waits or holds.
func (l *Lock) lets(e Entry) bool {
	if l.claim.Mode == Commits {
		return e.Class == Open
	}
	return e.Opened && !l.held
}

// refusal is the error of an operation that the lock has kept out for so long.
func (l *Lock) refusal(waited time.Duration) error {
	e := apierror.New(apierror.GateClosed, "backup %s holds up writes until it has made its cut, and this one could wait no longer than %s: nothing was written, try again",
		l.claim.ID, waited.Round(time.Millisecond))
	e.Extra = map[string]any{"backup": l.claim.ID}
	return e
}

func (l *Lock) after(d time.Duration, do func()) {
	l.timers = append(l.timers, time.AfterFunc(d, do))
}

// The functions below are called with mu held.

// admit counts an operation in.
func (g *Gate) admit(e Entry) (leave func()) {
	g.inside[e.Class]++
	if e.Class == Writer && e.Who == "" {
		return g.leaveOnce()
	}
	v := &guest{who: e.Who, class: e.Class, begun: e.Begun, since: time.Now()}
	if v.who != "" {
		g.guests[v] = true
	}
	var gone atomic.Bool
	return func() {
		if gone.Swap(true) {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.guests, v)
		g.left(v.class)
	}
}

// leaveOnce is the way out of writes, which are many: it keeps nothing of them.
func (g *Gate) leaveOnce() func() {
	var gone atomic.Bool
	return func() {
		if gone.Swap(true) {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.left(Writer)
	}
}

// left counts an operation out. When the last one leaves for which the lock waits whose turn it is, the lock
// gets the gate.
func (g *Gate) left(c Class) {
	g.inside[c]--
	if g.turn != nil && !g.turn.held && g.free(g.turn.claim.Mode) {
		g.grant()
	}
}

// free says whether nothing is inside for which a lock in that mode waits.
func (g *Gate) free(m Mode) bool {
	return g.inside[Writer] == 0 && g.inside[Committing] == 0 && (m == Commits || g.inside[Open] == 0 || failpoint.Off("gate-waits-for-open"))
}

// breakOff ends a lock that its holder has not released. A hold that was broken is evidence:
// a cut that was made under it is not one instant.
func (g *Gate) breakOff(l *Lock, reason string) {
	if l.held && !failpoint.Off("expiry-is-told") {
		g.evidence.of(l.claim.Nonce).broken(reason)
		g.log.Warn("gate opened by itself", "nonce", l.claim.Nonce, "reason", reason)
	}
	g.end(l, apierror.New(apierror.GateLost, "%s", reason))
}

// end takes a lock out of the queue, or opens the gate that it holds.
func (g *Gate) end(l *Lock, err error) {
	for _, t := range l.timers {
		t.Stop()
	}
	if l.err = err; l.held {
		l.kept = time.Since(l.since) - l.waited
	}
	close(l.ended)
	if g.turn == l {
		g.endTurn()
		return
	}
	g.locks = slices.DeleteFunc(g.locks, func(o *Lock) bool { return o == l })
}

// find gives the lock of a nonce that queues or holds; nil if there is none.
func (g *Gate) find(nonce string) *Lock {
	if g.turn != nil && g.turn.claim.Nonce == nonce {
		return g.turn
	}
	if i := slices.IndexFunc(g.locks, func(l *Lock) bool { return l.claim.Nonce == nonce }); i >= 0 {
		return g.locks[i]
	}
	return nil
}

// busy says whether a nonce holds the gate or queues for it.
func (g *Gate) busy(nonce string) bool { return g.find(nonce) != nil }

// next begins the turn of the first lock in the queue, if there is one. From now on those queue
// whom the lock holds up; it holds when those inside have left for whom it waits.
func (g *Gate) next() {
	if len(g.locks) == 0 {
		return
	}
	g.turn = g.locks[0]
	g.locks = slices.Delete(g.locks, 0, 1)
	if g.free(g.turn.claim.Mode) || failpoint.Off("gate-waits-for-writers") {
		g.grant()
	}
}

// grant gives the gate to the lock whose turn it is. The lease begins now, not at the claim:
// it bounds how long writers are held up.
func (g *Gate) grant() {
	l, now := g.turn, time.Now()
	l.held, l.waited = true, now.Sub(l.since)
	g.evidence.of(l.claim.Nonce).grant(now, g.inside[Open])
	l.after(l.claim.Lease, func() { g.expire(l) })
	close(l.granted)
}

// expire opens the gate when the lease has run out. It takes mu itself.
func (g *Gate) expire(l *Lock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !l.over() {
		g.breakOff(l, fmt.Sprintf("the lease of %s ran out", l.claim.Lease))
	}
}

// endTurn opens the gate. Those that queue are inside before the next lock has its turn:
// otherwise a sequence of locks would starve them.
func (g *Gate) endTurn() {
	now := time.Now()
	if g.turn.held {
		g.evidence.of(g.turn.claim.Nonce).end(now)
	}
	g.turn = nil
	for _, w := range g.queue {
		w.evidence.waited(w.entry.Class, now.Sub(w.since))
		w.leave = g.admit(w.entry)
		close(w.admitted)
	}
	g.queue = nil
	g.next()
}
