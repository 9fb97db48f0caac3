package create

import (
	"sync"

	"stasis/client/certificate"
	"stasis/internal/network"
)

// Tally counts creates, and how long writers waited for them, for the metrics of a coordinator. Any
// goroutine may use it. A nil Tally counts nothing.
type Tally struct {
	mu                sync.Mutex
	creates           [endings]int
	writers, unknown  int
	deadSum, deadMost float64
}

// How a create has ended.
const (
	made    = iota
	lost    // nothing of it is left
	unsure  // it may be committed
	endings // how many there are
)

func (t *Tally) count(r *certificate.LockReport, ending int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.creates[ending]++
	if r == nil {
		return
	}
	t.writers += r.WritersWaited
	t.unknown += len(r.DeadUnknown)
	t.deadSum += r.DeadSumSeconds
	t.deadMost = max(t.deadMost, r.DeadLongestSeconds)
}

// Metrics are what was counted.
func (t *Tally) Metrics() []network.Metric {
	t.mu.Lock()
	defer t.mu.Unlock()
	return []network.Metric{
		{Name: "stasis_backups_made_total", Kind: "counter", Help: "Backups that this coordinator has made.", Value: t.creates[made]},
		{Name: "stasis_backups_failed_total", Kind: "counter", Help: "Creates of backups that have failed on this coordinator.", Value: t.creates[lost]},
		{Name: "stasis_backups_unknown_total", Kind: "counter", Help: "Creates of backups on this coordinator that may be committed: the agency did not answer.", Value: t.creates[unsure]},
		{Name: "stasis_backup_writers_waited_total", Kind: "counter", Help: "Writers that waited at gates for creates of this coordinator, failed ones too.", Value: t.writers},
		{Name: "stasis_backup_dead_seconds_total", Kind: "counter", Help: "Seconds that these writers waited, together.", Value: t.deadSum},
		{Name: "stasis_backup_dead_longest_seconds", Kind: "gauge", Help: "Longest wait of any of these writers since the start.", Value: t.deadMost},
		{Name: "stasis_backup_dead_unknown_total", Kind: "counter", Help: "Servers that have not told how long writers waited there, over all creates.", Value: t.unknown},
	}
}
