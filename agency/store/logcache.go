package store

import (
	"sync"

	"github.com/hashicorp/raft"
)

// Followers get the newest entries of the log from memory: at most logCache entries with
// logCacheBytes bytes. Raft's own cache counts entries only.
const (
	logCache      = 256
	logCacheBytes = 16 << 20
)

// cachedLog keeps the newest entries of a log in memory.
type cachedLog struct {
	raft.LogStore

	mu     sync.Mutex
	newest []*raft.Log // consecutive
	bytes  int
}

// IsMonotonic answers Raft for contiguousLog, which this log wraps.
func (*cachedLog) IsMonotonic() bool { return true }

func (c *cachedLog) GetLog(index uint64, log *raft.Log) error {
	if found := c.find(index); found != nil {
		*log = *found
		return nil
	}
	return c.LogStore.GetLog(index, log)
}

func (c *cachedLog) find(index uint64) *raft.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.newest); n > 0 && index >= c.newest[0].Index && index <= c.newest[n-1].Index {
		return c.newest[index-c.newest[0].Index]
	}
	return nil
}

func (c *cachedLog) StoreLog(log *raft.Log) error { return c.StoreLogs([]*raft.Log{log}) }

// StoreLogs puts entries into the cache only when they are on the disk.
func (c *cachedLog) StoreLogs(logs []*raft.Log) error {
	if err := c.LogStore.StoreLogs(logs); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, log := range logs {
		if n := len(c.newest); n > 0 && log.Index != c.newest[n-1].Index+1 {
			c.newest, c.bytes = nil, 0
		}
		c.newest, c.bytes = append(c.newest, log), c.bytes+len(log.Data)
	}
	drop := 0
	for ; len(c.newest)-drop > logCache || c.bytes > logCacheBytes; drop++ {
		c.bytes -= len(c.newest[drop].Data)
	}
	clear(c.newest[:drop]) // the array behind the slice may live on and would hold the entries
	c.newest = c.newest[drop:]
	return nil
}

// DeleteRange empties the cache if it may have one of the entries.
func (c *cachedLog) DeleteRange(from, to uint64) error {
	c.mu.Lock()
	if n := len(c.newest); n > 0 && from <= c.newest[n-1].Index && to >= c.newest[0].Index {
		c.newest, c.bytes = nil, 0
	}
	c.mu.Unlock()
	return c.LogStore.DeleteRange(from, to)
}

// contiguousLog is a log without gaps. When a snapshot that another agent sent has replaced the
// log, Raft drops all of a log that says so. Otherwise Raft would keep the newest entries from
// before, which may never have been committed, and would send them to others when it leads.
type contiguousLog struct{ raft.LogStore }

// IsMonotonic says that the log must not have gaps.
func (contiguousLog) IsMonotonic() bool { return true }
