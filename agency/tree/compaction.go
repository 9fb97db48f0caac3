package tree

import "sync"

// Compaction decides by bytes when a snapshot takes the place of Raft's log, and how much of the log
// stays after it. Raft itself counts entries: 8,192 of four megabytes are 32 GB, on the disk and to be
// read at the next start. Its methods may be called from any goroutine.
type Compaction struct {
	// Due receives when a snapshot is due. It has one reader.
	Due chan struct{}
	// Shorten receives before each snapshot how many entries may stay. It is set before Raft
	// starts, and may be nil.
	Shorten func(entries uint64)

	mu     sync.Mutex
	limits Limits
	since  int64 // bytes applied since the last snapshot
	newest []int // the sizes of the newest entries, together no more than limits.TrailingBytes
	bytes  int64 // the sum of newest
	full   bool  // older entries were left out of newest because of their bytes
}

// Limits bound Raft's log.
type Limits struct {
	SnapshotBytes   int64  // of entries since the last snapshot that make one due, if the tree is not heavier
	TrailingBytes   int64  // of entries that stay after a snapshot, at most
	TrailingEntries uint64 // that stay after a snapshot, at most
}

// NewCompaction makes a Compaction with these limits.
func NewCompaction(l Limits) *Compaction { return &Compaction{Due: make(chan struct{}, 1), limits: l} }

// Trail changes how many entries stay after a snapshot at most.
func (c *Compaction) Trail(entries uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits.TrailingEntries = entries
}

// applied takes note of an entry. A snapshot is due when the log is longer than SnapshotBytes and than
// the tree is heavy: to write a large tree for every few megabytes would cost more than the log does.
func (c *Compaction) applied(size int, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since += int64(size)
	c.newest, c.bytes = append(c.newest, size), c.bytes+int64(size)
	drop := 0
	for ; c.bytes > c.limits.TrailingBytes; drop++ {
		c.bytes -= int64(c.newest[drop])
		c.full = true
	}
	for ; uint64(len(c.newest)-drop) > c.limits.TrailingEntries; drop++ {
		c.bytes -= int64(c.newest[drop])
		c.full = false
	}
	c.newest = c.newest[drop:]
	if c.since > max(c.limits.SnapshotBytes, weight) {
		select {
		case c.Due <- struct{}{}:
		default: // the reader has not looked yet
		}
	}
}

// begin takes note that a snapshot of everything applied begins. The caller calls written when it is
// published.
func (c *Compaction) begin() (written func()) {
	c.mu.Lock()
	since, stay := c.since, c.limits.TrailingEntries
	if c.full {
		stay = uint64(len(c.newest))
	}
	shorten := c.Shorten
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

// restored takes note that the tree was replaced by that of a snapshot.
func (c *Compaction) restored() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since, c.newest, c.bytes, c.full = 0, nil, 0, false
}
