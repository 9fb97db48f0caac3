package transaction

import (
	"context"
	"fmt"
	"sync"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/dbserver/shard"
	"stasis/internal/failpoint"
)

// inheritance is what a leader has found prepared on its shard when it began: the gate is held until all of it is resolved.
type inheritance struct {
	tenure shard.Tenure
	of     map[dbclient.TxnID]bool
	leave  func()
}

// inheritances are those of all shards that this server leads.
type inheritances struct {
	gate *gate.Gate
	wake chan struct{} // holds a token when something has been inherited

	mu sync.Mutex
	of map[string]*inheritance // by shard
}

func newInheritances(g *gate.Gate) *inheritances {
	return &inheritances{gate: g, wake: make(chan struct{}, 1), of: map[string]*inheritance{}}
}

func (x *inheritances) add(ctx context.Context, of *shard.Shard, tenure shard.Tenure) error {
	found, err := of.Transactions().Prepared()
	if err != nil {
		return fmt.Errorf("inherit what is prepared on shard %s: %w", of.Name(), err)
	}
	if len(found) == 0 || failpoint.Off("inherited-holds-gate") {
		return nil
	}
	x.mu.Lock()
	in := x.of[of.Name()]
	x.mu.Unlock()
	if in != nil && in.tenure == tenure {
		return nil // an earlier attempt of the same leader got so far
	}
	leave, err := x.gate.EnterAs(ctx, gate.Entry{
		Class: gate.Committing, Who: fmt.Sprintf("shard %s, on which transaction %s and %d others are prepared and not resolved", of.Name(), found[0].ID, len(found)-1),
	})
	if err != nil {
		return err
	}
	in = &inheritance{tenure: tenure, of: map[dbclient.TxnID]bool{}, leave: leave}
	for _, tx := range found {
		in.of[tx.ID] = true
	}
	x.mu.Lock()
	x.of[of.Name()] = in
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
	return nil
}

// settled takes note that an inherited transaction is resolved, and leaves the gate if it was the last of its shard.
func (x *inheritances) settled(name string, id dbclient.TxnID) {
	x.mu.Lock()
	in := x.of[name]
	if in != nil {
		delete(in.of, id)
	}
	last := in != nil && len(in.of) == 0
	if last {
		delete(x.of, name)
	}
	x.mu.Unlock()
	if last {
		in.leave()
	}
}

// over leaves the gate for a leadership that is over.
func (x *inheritances) over(name string, tenure shard.Tenure) {
	x.mu.Lock()
	in := x.of[name]
	mine := in != nil && in.tenure == tenure
	if mine {
		delete(x.of, name)
	}
	x.mu.Unlock()
	if mine {
		in.leave()
	}
}

// count counts the transactions.
func (x *inheritances) count() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, in := range x.of {
		n += len(in.of)
	}
	return n
}

// has says whether a leader here has found a transaction prepared when it began.
func (x *inheritances) has(name string, id dbclient.TxnID) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	in := x.of[name]
	return in != nil && in.of[id]
}
