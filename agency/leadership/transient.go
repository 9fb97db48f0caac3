package leadership

import (
	"sync"
	"time"

	"stasis/fsm"
)

// Transient is the tree that lives in the leader's memory only: heartbeats. It ends with the
// leadership. Its methods may be called from any goroutine.
type Transient struct {
	mu    sync.Mutex
	tree  *fsm.Machine
	limit int64 // bytes
}

func newTransient(limit int64) *Transient { return &Transient{tree: fsm.New(1), limit: limit} }

// Apply applies one transaction and gives its outcome. One that would make the tree larger than
// its limit does not take effect.
func (t *Transient) Apply(tx fsm.Transaction) fsm.Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tree.Apply(0, fsm.Command{Time: time.Now().UnixMilli(), Transactions: []fsm.Transaction{tx.Within(t.limit)}})[0]
}

// State is the tree now, without what has expired.
func (t *Transient) State() *fsm.State { return t.tree.State().AsOf(time.Now().UnixMilli()) }
