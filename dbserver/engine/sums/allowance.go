package sums

import (
	"sync"
	"time"
)

// What hashing while tables are written may cost the writers: SHA-256 takes 1 to 2.5 ns for a byte, so the
// rate is 1 to 2 % of one processor. In everyday use all tables are below it. A bulk load writes each
// table several times, most of them only for the next compaction; those above the allowance are read
// later, if they live, when nobody waits.
const (
	allowedRate  = 8 << 20   // bytes in a second
	allowedBurst = 128 << 20 // bytes after a pause
)

// allowance is a bucket of bytes that fills with time.
type allowance struct {
	mu      sync.Mutex
	left    float64 // negative: a table was larger than what was left
	at      time.Time
	insists int // of those for whom everything is hashed
}

func newAllowance() *allowance { return &allowance{left: allowedBurst, at: time.Now()} }

// takes says whether a table that is begun now is to be hashed.
func (a *allowance) takes() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.left = min(allowedBurst, a.left+allowedRate*now.Sub(a.at).Seconds())
	a.at = now
	return a.left > 0 || a.insists > 0
}

// spend counts bytes that were hashed.
func (a *allowance) spend(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left -= float64(n)
}

func (a *allowance) insist(by int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.insists += by
}
