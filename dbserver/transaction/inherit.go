package transaction

import (
	"context"
	"fmt"

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

// Inherit holds the gate for what is prepared on a shard whose leader is about to serve. It waits while a backup holds the gate:
// a cut that is made then has each of these transactions as a whole, or the leader says that it does not serve.
func (l *Ledger) Inherit(ctx context.Context, of *shard.Shard, tenure shard.Tenure) error {
	found, err := of.Prepared()
	if err != nil {
		return fmt.Errorf("inherit what is prepared on shard %s: %w", of.Name(), err)
	}
	if len(found) == 0 || failpoint.Off("inherited-holds-gate") {
		return nil
	}
	l.mu.Lock()
	in := l.inherited[of.Name()]
	l.mu.Unlock()
	if in != nil && in.tenure == tenure {
		return nil // an earlier attempt of the same leader got so far
	}
	leave, err := l.Gate.EnterAs(ctx, gate.Entry{
		Class: gate.Committing, Who: fmt.Sprintf("shard %s, on which transaction %s and %d others are prepared and not resolved", of.Name(), found[0].ID, len(found)-1),
	})
	if err != nil {
		return err
	}
	in = &inheritance{tenure: tenure, of: map[dbclient.TxnID]bool{}, leave: leave}
	for _, tx := range found {
		in.of[tx.ID] = true
	}
	l.mu.Lock()
	l.inherited[of.Name()] = in
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// inheritanceSettled takes note that an inherited transaction is resolved. What it returns leaves the gate, if need be. mu is held.
func (l *Ledger) inheritanceSettled(name string, id dbclient.TxnID) (leave func()) {
	in := l.inherited[name]
	if in == nil {
		return func() {}
	}
	delete(in.of, id)
	if len(in.of) > 0 {
		return func() {}
	}
	delete(l.inherited, name)
	return in.leave
}

// isInherited says whether a leader here has found a transaction prepared when it began.
func (l *Ledger) isInherited(name string, id dbclient.TxnID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.inherited[name]
	return in != nil && in.of[id]
}
