package gate

import (
	"slices"
	"time"

	"stasis/internal/apierror"
)

// keepBooks is how many nonces are remembered; the oldest are forgotten first. A
// coordinator that died never releases.
const keepBooks = 64

// Report is the evidence of one nonce's locks since its last release.
type Report struct {
	Unbroken    bool          // held from the grant until this release
	Held        time.Duration // from the grant until release or expiry
	GrantedAt   time.Time     // wall clock, for people; zero: never granted
	ReleasedAt  time.Time     // when the hold ended; zero: never granted
	Writers     int           // writers that queued, over all attempts
	DeadSum     time.Duration // sum of the times they queued
	DeadLongest time.Duration // the longest of them
	Reason      string        // why not unbroken
}

// Unknown is the report of a nonce that is not remembered.
func Unknown() Report {
	return Report{Reason: "unknown nonce: never granted, or forgotten by a restart"}
}

// book is what is counted for one nonce until its release.
type book struct {
	attempt            uint64 // the newest that was seen
	grantedAt, endedAt time.Time
	reason             string // why the hold was broken
	writers            int
	deadSum, longest   time.Duration
	released           *Report // set: nothing is counted any more
	over               bool    // given up: no lock is granted any more
}

func (b *book) grant(now time.Time) { b.grantedAt, b.endedAt = now, time.Time{} }

func (b *book) end(now time.Time) { b.endedAt = now }

// broken notes the first break; a later grant does not mend it.
func (b *book) broken(reason string) {
	if b.reason == "" {
		b.reason = reason
	}
}

func (b *book) waited(d time.Duration) {
	b.writers++
	b.deadSum += d
	b.longest = max(b.longest, d)
}

func (b *book) report() Report {
	r := Report{
		GrantedAt: b.grantedAt, ReleasedAt: b.endedAt, Reason: b.reason,
		Writers: b.writers, DeadSum: b.deadSum, DeadLongest: b.longest,
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

// ledger has the books of the latest nonces.
type ledger struct {
	books map[string]*book
	order []string // oldest first
}

func newLedger() ledger { return ledger{books: map[string]*book{}} }

// of gives a nonce's book: never nil while the nonce is in the line or in turn,
// nil if it is not remembered.
func (l *ledger) of(nonce string) *book { return l.books[nonce] }

// admits refuses an attempt that comes late.
func (l *ledger) admits(nonce string, attempt uint64) error {
	b := l.books[nonce]
	switch {
	case b == nil || !b.over && attempt > b.attempt:
		return nil
	case b.over:
		return apierror.New(apierror.GateLost, "nonce %s was given up before this lock arrived", nonce)
	}
	return apierror.New(apierror.GateLost, "attempt %d of nonce %s comes late: attempt %d was here before", attempt, nonce, b.attempt)
}

// open begins an attempt. If the one before was not released, what was counted for it
// is kept, but not whether it was broken: each release is of one attempt.
func (l *ledger) open(nonce string, attempt uint64, busy func(string) bool) {
	b := l.books[nonce]
	switch {
	case b == nil:
		l.add(nonce, &book{attempt: attempt}, busy)
	case b.released != nil:
		*b = book{attempt: attempt}
	default:
		*b = book{attempt: attempt, writers: b.writers, deadSum: b.deadSum, longest: b.longest}
	}
}

// add keeps a nonce's first book, in place of the oldest that nobody needs.
func (l *ledger) add(nonce string, b *book, busy func(string) bool) {
	if i := slices.IndexFunc(l.order, func(n string) bool { return !busy(n) }); len(l.order) >= keepBooks && i >= 0 {
		delete(l.books, l.order[i])
		l.order = slices.Delete(l.order, i, i+1)
	}
	l.books[nonce] = b
	l.order = append(l.order, nonce)
}

// close ends a nonce's attempt and gives its report, the same one when asked again.
// An attempt that was not here is refused if it comes yet.
func (l *ledger) close(nonce string, attempt uint64, busy func(string) bool) Report {
	b := l.books[nonce]
	if b == nil {
		r := Unknown()
		b = &book{attempt: attempt, released: &r}
		l.add(nonce, b, busy)
	}
	if attempt > b.attempt {
		b.attempt, b.released, b.reason, b.grantedAt = attempt, nil, "", time.Time{}
	}
	if b.released == nil {
		r := b.report()
		b.released = &r
	}
	return *b.released
}
