package gate

import (
	"slices"
	"time"
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

// book is what is counted for one nonce until its release.
type book struct {
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

// open begins a book for a nonce, or goes on with it if it was not released.
func (l *ledger) open(nonce string, busy func(string) bool) {
	if b := l.books[nonce]; b != nil {
		if b.released != nil {
			*b = book{}
		}
		return
	}
	l.add(nonce, &book{}, busy)
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

// finish notes that a nonce was given up, whether it has a book or not.
func (l *ledger) finish(nonce string, busy func(string) bool) {
	if l.books[nonce] == nil {
		l.add(nonce, &book{}, busy)
	}
	l.books[nonce].over = true
}

// close ends a nonce's book and gives its report, the same one when asked again.
func (l *ledger) close(nonce string) Report {
	b := l.books[nonce]
	if b == nil {
		return Report{Reason: "unknown nonce: never granted, or forgotten by a restart"}
	}
	if b.released == nil {
		r := b.report()
		b.released = &r
	}
	return *b.released
}
