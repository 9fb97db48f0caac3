package locks

import (
	"sync"
	"time"
)

// manyWaiters is how many waits a table bears at once, unless told otherwise.
const manyWaiters = 16384

// Table has the locks of all shards of a DB server. All methods of this package may be called by many
// goroutines at once.
type Table struct {
	base       time.Time // times are lengths since then
	maxWaiters int

	mu      sync.Mutex // never held for anything but memory. All state of the package is under it
	busy    *Shard     // those with stakes
	waiting int
	search  uint64 // counts the searches for cycles
	spare   *keyLock
	spares  int
}

// NewTable makes an empty table. maxWaiters bounds the waits of all its locks together (0:
// 16 384).
func NewTable(maxWaiters int) *Table {
	if maxWaiters <= 0 {
		maxWaiters = manyWaiters
	}
	return &Table{base: time.Now(), maxWaiters: maxWaiters}
}

// now is the time as locks measure it. It is never 0, which is no time.
func (t *Table) now() time.Duration { return time.Since(t.base) + 1 }

// Shard has the locks of one shard: of its keys, and of it as a whole.
type Shard struct {
	table  *Table
	name   string
	stakes *stake              // of owners that have something in it
	sole   *stake              // has it as a whole
	queue  queue               // for a share, or for the whole
	first  *keyLock            // one of the keys that are held: most writes meet no other, and need no map
	keys   map[string]*keyLock // the others
	most   int                 // keys that were locked at once since the map was made

	next, prev *Shard // of the busy ones
}

// Shard makes the locks of one shard. It is made once for each shard that is opened, and needs no closing.
func (t *Table) Shard(name string) *Shard {
	return &Shard{table: t, name: name, keys: map[string]*keyLock{}}
}

// keyLock is a key that is held.
type keyLock struct {
	key    string
	holder *stake
	since  time.Duration // of a transaction
	next   *keyLock      // of the same holder; of the spare ones
	queue  queue
}

// stake is what an owner has in a shard: a share with keys, or the whole.
type stake struct {
	owner      *Owner
	shard      *Shard
	since      time.Duration // of a single operation: since one has begun to wait for it. It costs no look at the clock before
	keys       *keyLock
	queued     int    // waiters for the keys
	next, prev *stake // of the same shard
	other      *stake // the next of the same owner
}

// Owner has locks. The zero value is a single operation, which may be used again after each
// Release. An Owner must not be copied.
type Owner struct {
	// Patient says that it may wait for long, and that others may have to wait for it for long.
	// Otherwise it is brief (see the package). It is not changed while the owner holds or waits for anything.
	Patient bool

	tx     *transaction // nil: a single operation
	first  stake        // the place of one stake: a single operation allocates nothing
	stakes *stake
	waits  []*waiter // of its goroutines
	ended  error     // why it gets nothing any more
	seen   uint64    // the last search that has come here
}

// transaction is who an owner is.
type transaction struct {
	id, coordinator string
	begun           time.Time
}

// waiter is a wait for one resource.
type waiter struct {
	owner      *Owner
	shard      *Shard
	key        *keyLock // nil: the shard
	whole      bool     // the shard as a whole
	want       string   // the key, unless whole: it is waited for when the owner has a share
	since      time.Duration
	over       bool
	err        error         // why it was over; nil: granted
	woken      chan struct{} // closed when over
	next, prev *waiter
}

// queue has waiters in their order.
type queue struct {
	first, last *waiter
	n           int
}
