package agency

import (
	"sync"

	"github.com/hashicorp/raft"
)

// The newest entries of Raft's log are served to followers from memory: so many at most,
// and no more than so many bytes. Raft's own cache counts entries only.
const (
	logCache      = 256
	logCacheBytes = 16 << 20
)

// cachedLog is a log whose newest entries are in memory as well.
type cachedLog struct {
	raft.LogStore

	mu     sync.Mutex
	newest []*raft.Log // consecutive
	bytes  int
}

// IsMonotonic is asked by Raft, see contiguousLog.
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

// StoreLogs has the entries in memory only once they are on the disk.
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
	clear(c.newest[:drop]) // the array may live on
	c.newest = c.newest[drop:]
	return nil
}

// DeleteRange empties the cache if an entry goes that it may have.
func (c *cachedLog) DeleteRange(from, to uint64) error {
	c.mu.Lock()
	if n := len(c.newest); n > 0 && from <= c.newest[n-1].Index && to >= c.newest[0].Index {
		c.newest, c.bytes = nil, 0
	}
	c.mu.Unlock()
	return c.LogStore.DeleteRange(from, to)
}

// contiguousLog is a log without gaps: Raft drops all of it when a snapshot that
// another agent sent has replaced it. Without being asked for that it keeps the
// newest entries from before, which need never have been committed, and sends them
// to others when it leads.
type contiguousLog struct{ raft.LogStore }

// IsMonotonic is asked by Raft.
func (contiguousLog) IsMonotonic() bool { return true }
