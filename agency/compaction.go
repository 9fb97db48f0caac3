package agency

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"

	"stasis/agency/quota"
)

// compaction decides by bytes when Raft's log is to be replaced by a snapshot, and how much
// of it stays after one. Raft itself counts entries: 8,192 of four megabytes are 32 GB, on
// the disk and to be read at the next start.
type compaction struct {
	due     chan struct{}        // has a token when a snapshot is
	shorten func(entries uint64) // is told before each snapshot how many entries may stay; may be nil

	mu      sync.Mutex
	bound   int64  // of entries since the last snapshot
	trail   int64  // of entries that stay
	entries uint64 // that stay, at most
	since   int64  // bytes applied since the last snapshot
	newest  []int  // the sizes of the newest entries, together no more than trail
	bytes   int64  // of newest
	full    bool   // older ones were left out because of their bytes
}

func newCompaction(t Timing) *compaction {
	return &compaction{due: make(chan struct{}, 1), bound: t.SnapshotBytes, trail: t.TrailingBytes, entries: t.TrailingLogs}
}

// keep changes how many entries stay at most.
func (c *compaction) keep(entries uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = entries
}

// applied takes note of an entry. A snapshot is due when the log is longer than the bound
// and than the tree is heavy: writing large trees for each few megabytes would cost more than the log does.
func (c *compaction) applied(size int, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since += int64(size)
	c.newest, c.bytes = append(c.newest, size), c.bytes+int64(size)
	drop := 0
	for ; c.bytes > c.trail; drop++ {
		c.bytes -= int64(c.newest[drop])
		c.full = true
	}
	for ; uint64(len(c.newest)-drop) > c.entries; drop++ {
		c.bytes -= int64(c.newest[drop])
		c.full = false
	}
	c.newest = c.newest[drop:]
	if c.since > max(c.bound, weight) {
		select {
		case c.due <- struct{}{}:
		default: // it is known
		}
	}
}

// begin is called when a snapshot is begun, of everything applied; written when it is in
// its place.
func (c *compaction) begin() (written func()) {
	c.mu.Lock()
	since, stay := c.since, c.entries
	if c.full {
		stay = uint64(len(c.newest))
	}
	shorten := c.shorten
	c.mu.Unlock()
	if shorten != nil {
		shorten(max(stay, 1))
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.since -= since
	}
}

// restored takes note that the tree is that of a snapshot.
func (c *compaction) restored() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since, c.newest, c.bytes, c.full = 0, nil, 0, false
}

// reconfigure changes Raft's settings: one at a time, for they are read and written.
func (a *Agent) reconfigure(r *raft.Raft, change func(*raft.ReloadableConfig)) error {
	a.settings.Lock()
	defer a.settings.Unlock()
	c := r.ReloadableConfig()
	change(&c)
	if err := r.ReloadConfig(c); err != nil {
		return fmt.Errorf("change Raft's settings: %w", err)
	}
	return nil
}

// keepTrailing tells Raft how many entries stay after the snapshot that has begun.
func (a *Agent) keepTrailing(r *raft.Raft, entries uint64) {
	if err := a.reconfigure(r, func(c *raft.ReloadableConfig) { c.TrailingLogs = entries }); err != nil {
		a.logger.Error("Raft's log may stay longer than it should", "error", err)
	}
}

// keepSmall takes the snapshots that are due by bytes, and reports how the tree stands to
// its quota, until the agent ends.
func (a *Agent) keepSmall() {
	alarm := ""
	for {
		select {
		case <-a.running.Done():
			return
		case <-a.machine.quota.Changed:
			alarm = a.reportTree(alarm)
		case <-a.machine.compaction.due:
			err := a.await(a.running, func() raft.Future { return a.raft.Snapshot() })
			if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) && a.running.Err() == nil {
				a.logger.Warn("Raft's log is long, and no snapshot has been finished; looking again", "error", err, "in", a.timing.SnapshotInterval)
				pause(a.running.Done(), a.timing.SnapshotInterval)
			}
		}
	}
}

// reportTree logs what has changed about the tree's size, and gives the alarm as it is now.
func (a *Agent) reportTree(before string) (alarm string) {
	s := a.machine.quota.State(a.machine.state().Weight())
	switch {
	case s.Alarm != "" && before == "":
		a.logger.Error("the agency's tree is nearly full", "bytes", s.Bytes, "quota", s.Quota, "do", quota.Remedy)
	case s.Alarm == "" && before != "":
		a.logger.Info("the agency's tree has room again", "bytes", s.Bytes, "quota", s.Quota)
	}
	if s.Refused > 0 {
		a.logger.Warn("transactions were refused: the tree would be too large", "since the start", s.Refused, "the last", s.LastRefusal)
	}
	return s.Alarm
}
