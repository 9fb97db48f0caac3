package gate

import (
	"slices"
	"time"

	"stasis/internal/apierror"
)

// keepNonces is how many nonces are remembered; the oldest are forgotten first. Without a
// bound memory would grow, because a coordinator that died never releases.
const keepNonces = 64

// Report is the evidence of one nonce's locks since its last release.
type Report struct {
	Unbroken    bool          // held from the grant until this release
	Held        time.Duration // from the grant until release or expiry
	GrantedAt   time.Time     // wall clock, for people; zero: never granted
	ReleasedAt  time.Time     // when the hold ended; zero: never granted
	Writers     int           // operations that queued, over all attempts
	DeadSum     time.Duration // sum of the times they queued
	DeadLongest time.Duration // the longest of them
	DeadP99     time.Duration // not exceeded by 99 of 100 of them; up to a tenth too high
	Reason      string        // why not unbroken
	Attempt     uint64        // the newest attempt that it covers; 0: none is remembered

	Mode   Mode           // of the newest attempt; "": it has not come
	Open   int            // transactions that were open inside at the grant
	Waited [classes]Waits // the same as Writers, DeadSum and DeadLongest, by class
}

// Waits are the times that operations queued.
type Waits struct {
	Count        int
	Sum, Longest time.Duration
}

// Unknown is the report of a nonce that is not remembered.
func Unknown() Report {
	return Report{Reason: "unknown nonce: never granted, or forgotten by a restart"}
}

// evidence is what is counted for one nonce until its release.
type evidence struct {
	attempt            uint64 // the newest that was seen
	grantedAt, endedAt time.Time
	mode               Mode
	reason             string // why the hold was broken
	open               int    // transactions inside at the grant
	waits              [classes]Waits
	spread             histogram // of all waits
	released           *Report   // set: nothing is counted any more
	over               bool      // given up: no lock is granted any more
}

func (b *evidence) grant(now time.Time, open int) {
	b.grantedAt, b.endedAt, b.open = now, time.Time{}, open
}

func (b *evidence) end(now time.Time) { b.endedAt = now }

// broken notes the first break. A later grant does not undo it: writers passed in between.
func (b *evidence) broken(reason string) {
	if b.reason == "" {
		b.reason = reason
	}
}

func (b *evidence) waited(c Class, d time.Duration) {
	w := &b.waits[c]
	w.Count++
	w.Sum += d
	w.Longest = max(w.Longest, d)
	b.spread.add(d)
}

func (b *evidence) report() Report {
	r := Report{GrantedAt: b.grantedAt, ReleasedAt: b.endedAt, Reason: b.reason, Mode: b.mode, Open: b.open, Waited: b.waits, DeadP99: b.spread.percentile(0.99), Attempt: b.attempt}
	for _, w := range b.waits {
		r.Writers, r.DeadSum, r.DeadLongest = r.Writers+w.Count, r.DeadSum+w.Sum, max(r.DeadLongest, w.Longest)
	}
	switch {
	case b.grantedAt.IsZero():
		r.Reason = "never granted"
	default:
		r.Held = b.endedAt.Sub(b.grantedAt)
		r.Unbroken = b.reason == ""
	}
	return r
}

// archive has the evidence of the latest nonces.
type archive struct {
	byNonce map[string]*evidence
	order   []string // oldest first
}

func newArchive() archive { return archive{byNonce: map[string]*evidence{}} }

// of gives a nonce's evidence: nil if the nonce is not remembered, never nil while the nonce
// queues or holds.
func (l *archive) of(nonce string) *evidence { return l.byNonce[nonce] }

// admits refuses an attempt that comes late: its coordinator has gone on to a newer attempt, or
// has given up, and a gate that it holds would only hold up writers.
func (l *archive) admits(nonce string, attempt uint64) error {
	b := l.byNonce[nonce]
	switch {
	case b == nil || !b.over && attempt > b.attempt:
		return nil
	case b.over:
		return apierror.New(apierror.GateLost, "nonce %s was given up before this lock arrived", nonce)
	}
	return apierror.New(apierror.GateLost, "attempt %d of nonce %s comes late: attempt %d was here before", attempt, nonce, b.attempt)
}

// open begins an attempt. If the attempt before was not released, its dead times are kept,
// since a report covers all attempts. Whether it was broken is not kept, since a release is
// of one attempt.
func (l *archive) open(nonce string, begun evidence, busy func(string) bool) {
	b := l.byNonce[nonce]
	switch {
	case b == nil:
		l.add(nonce, &begun, busy)
	case b.released != nil:
		*b = begun
	default:
		begun.waits, begun.spread = b.waits, b.spread
		*b = begun
	}
}

// add begins the evidence of a nonce, in place of the oldest that does not queue or hold.
func (l *archive) add(nonce string, b *evidence, busy func(string) bool) {
	if i := slices.IndexFunc(l.order, func(n string) bool { return !busy(n) }); len(l.order) >= keepNonces && i >= 0 {
		delete(l.byNonce, l.order[i])
		l.order = slices.Delete(l.order, i, i+1)
	}
	l.byNonce[nonce] = b
	l.order = append(l.order, nonce)
}

// close ends a nonce's attempt and gives its report, the same one when asked again. An attempt
// that has not come yet is remembered as released, so that it is refused when it comes.
func (l *archive) close(nonce string, attempt uint64, busy func(string) bool) Report {
	b := l.byNonce[nonce]
	if b == nil {
		r := Unknown()
		b = &evidence{attempt: attempt, released: &r}
		l.add(nonce, b, busy)
	}
	if attempt > b.attempt {
		if b.released != nil { // what it says has been told
			b.waits, b.spread = [classes]Waits{}, histogram{}
		}
		b.attempt, b.released, b.reason, b.mode, b.open = attempt, nil, "", "", 0
		b.grantedAt, b.endedAt = time.Time{}, time.Time{}
	}
	if b.released == nil {
		r := b.report()
		b.released = &r
	}
	return *b.released
}
