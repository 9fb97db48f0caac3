package agency

import (
	"slices"
	"sync"
	"time"
)

// diskWatch knows which calls to the disk have not returned.
//
// Raft appends to its log and writes its votes in the loop in which it does everything
// else, and its heartbeats go on beside it. So a leader whose disk hangs leads on, and
// nothing is committed. No call can be taken back from a disk; what can be done is to
// notice that one is overdue (here) and to keep the agent from leading meanwhile (gag).
type diskWatch struct {
	mu    sync.Mutex
	calls []*diskCall // in the order in which they began

	patience int // how many times Timing.DiskPatience a call may take
	calm     int // looks since the last call that was overdue
}

// diskCall is a call that has not returned.
type diskCall struct {
	what  string
	begun time.Time
	bytes int
	looks int // how often it was seen
}

const (
	// looksPerPatience is how often the calls are looked at in Timing.DiskPatience. A call's
	// age is counted in looks: while the whole process stands still, or has no processor,
	// nothing gets older.
	looksPerPatience = 4
	// slowestDisk is how many bytes a second a disk is believed to be able to write. What a
	// large call needs beyond the patience.
	slowestDisk = 8 << 20
	// Each time that a call which was overdue returns after all, the disk is slow
	// rather than dead: twice as much is borne, up to mostPatience times as much. Else an
	// agency all of whose disks are slow would have no leader at all. After calmLooks
	// without an overdue call it is as before.
	mostPatience = 8
	calmLooks    = 60 * looksPerPatience
)

func newDiskWatch() *diskWatch {
	return &diskWatch{patience: 1}
}

// begin notes a call that writes so many bytes; end is called when it has returned.
func (w *diskWatch) begin(what string, bytes int) (end func()) {
	c := &diskCall{what: what, begun: time.Now(), bytes: bytes}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, c)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		i := slices.Index(w.calls, c)
		w.calls = slices.Delete(w.calls, i, i+1)
	}
}

// look lets the calls get older, and gives the oldest that is overdue, nil if none is.
func (w *diskWatch) look(patience time.Duration) (overdue *diskCall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		c.looks++
		if overdue == nil && c.looks > w.allowed(c, patience) {
			overdue = c
		}
	}
	w.calm++
	if overdue != nil {
		w.calm = 0
	}
	if w.calm >= calmLooks {
		w.patience = 1
	}
	return overdue
}

// allowed is how often a call may be seen. Callers hold mu.
func (w *diskWatch) allowed(c *diskCall, patience time.Duration) int {
	writing := time.Duration(c.bytes) * time.Second / slowestDisk
	return w.patience*looksPerPatience + int(writing*looksPerPatience/patience)
}

// returned takes note that a call which was overdue has returned.
func (w *diskWatch) returned() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.patience = min(2*w.patience, mostPatience)
}
