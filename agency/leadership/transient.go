package leadership

import (
	"sync"

	"stasis/fsm"
)

// Transient is the tree that lives in the leader's memory only: heartbeats. It ends with the
// leadership. Its methods may be called from any goroutine.
type Transient struct {
	mu    sync.Mutex
	tree  *fsm.Machine
	limit int64        // bytes
	now   func() int64 // the leader's time in milliseconds: what is to expire goes by it
}

func newTransient(limit int64, now func() int64) *Transient {
	return &Transient{tree: fsm.New(1), limit: limit, now: now}
}

// Apply applies one transaction and gives its outcome. One that would make the tree larger than
// its limit does not take effect.
func (t *Transient) Apply(tx fsm.Transaction) fsm.Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tree.Apply(0, fsm.Command{Time: t.now(), Transactions: []fsm.Transaction{tx.Within(t.limit)}})[0]
}

// State is the tree now, without what has expired.
func (t *Transient) State() *fsm.State { return t.tree.State().AsOf(t.now()) }
