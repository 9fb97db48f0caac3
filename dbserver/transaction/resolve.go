package transaction

import (
	"context"
	"fmt"
	"slices"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Resolve ends what a transaction has prepared on a shard that this server leads. It returns when that is on the disks of all
// in-sync replicas; locks and gate are released before. It can be repeated.
func (l *Ledger) Resolve(ctx context.Context, s *store.Store, name string, q dbclient.TxnResolveRequest) error {
	if err := failpoint.Hit(ctx, "dbserver/transaction/resolve", l.ID); err != nil {
		return err
	}
	return l.resolve(s, name, q.ID, q.Commit)
}

func (l *Ledger) resolve(s *store.Store, name string, id dbclient.TxnID, commit bool) error {
	on, err := s.Led(name)
	if err != nil {
		return err
	}
	if _, err := on.Shard.Transactions().Resolve(s.Life(), id, commit, false); err != nil {
		return fmt.Errorf("resolve transaction %s: %w", id, err)
	}
	l.settle(name, id, commit)
	if _, err := on.Shard.Transactions().Resolve(s.Life(), id, commit, true); err != nil {
		return fmt.Errorf("bring the end of transaction %s onto the disks: %w", id, err)
	}
	return nil
}

// settle takes note that a transaction is resolved on a shard, and releases what was held for it.
func (l *Ledger) settle(name string, id dbclient.TxnID, commit bool) {
	why := aborted
	if commit {
		why = committed
	}
	release := func() {}
	l.registry.mu.Lock()
	if p := l.registry.parts[id]; p != nil {
		if st := p.stakes[name]; st != nil && st.phase == prepared {
			st.phase = settled
			if p.done() {
				release = l.registry.end(p, why)
			}
		}
	}
	l.registry.mu.Unlock()
	l.inherited.settled(name, id)
	release()
}

// Ask says what became of a transaction whose home is a shard that this server leads. With Abandon a transaction that is not
// decided is aborted by the question.
func (l *Ledger) Ask(ctx context.Context, s *store.Store, name string, q dbclient.TxnAskRequest) (dbclient.TxnAskResponse, error) {
	var none dbclient.TxnAskResponse
	if aside := s.AsideShard(name); aside != nil {
		return askAside(aside, q.ID)
	}
	on, err := s.Led(name)
	if err != nil {
		return none, err
	}
	undecided, err := l.abandon(ctx, name, q)
	if err != nil {
		return none, err
	}
	_, found, err := on.Shard.Transactions().Decision(ctx, q.ID)
	if err != nil {
		return none, fmt.Errorf("ask shard %s for transaction %s: %w", name, q.ID, err)
	}
	if err := on.Leader.Serving(); err != nil { // another leader may have begun, and have one
		return none, err
	}
	switch {
	case found:
		return dbclient.TxnAskResponse{Outcome: dbclient.TxnCommitted}, nil
	case undecided:
		return dbclient.TxnAskResponse{Outcome: dbclient.TxnUndecided}, nil
	}
	return dbclient.TxnAskResponse{Outcome: dbclient.TxnAbortedAs}, nil
}

// askAside asks a shard that has been dropped: what it has not decided it never will.
func askAside(of *shard.Shard, id dbclient.TxnID) (dbclient.TxnAskResponse, error) {
	left, err := of.Transactions().Left()
	if err != nil {
		return dbclient.TxnAskResponse{}, err
	}
	if slices.ContainsFunc(left, func(x shard.Decision) bool { return x.ID == id }) {
		return dbclient.TxnAskResponse{Outcome: dbclient.TxnCommitted}, nil
	}
	return dbclient.TxnAskResponse{Outcome: dbclient.TxnAbortedAs}, nil
}

// abandon waits for a decision that is being made, and otherwise ends the part if the question wants that: from then on none
// can be made. undecided: the part is open, and may decide.
func (l *Ledger) abandon(ctx context.Context, name string, q dbclient.TxnAskRequest) (undecided bool, err error) {
	for {
		l.registry.mu.Lock()
		p := l.registry.parts[q.ID]
		if p == nil {
			if q.Abandon {
				l.registry.ended.add(q.ID, abandoned(name)) // a request to open it may be on its way
			}
			l.registry.mu.Unlock()
			return false, nil
		}
		deciding := p.decision()
		if deciding == nil {
			undecided = p.why == nil && p.decides() == "" && !q.Abandon
			release := func() {}
			if q.Abandon && p.decides() == "" && !failpoint.Off("asked-is-abandoned") {
				release = l.registry.end(p, abandoned(name))
			}
			l.registry.mu.Unlock()
			release()
			return undecided, nil
		}
		l.registry.mu.Unlock()
		select {
		case <-deciding:
		case <-ctx.Done():
			return false, apierror.New(apierror.Cancelled, "wait for the decision of transaction %s: %w", q.ID, context.Cause(ctx))
		}
	}
}

// decision is closed when the decision that a part is making has an outcome. The ledger's mutex is held.
func (p *part) decision() chan struct{} {
	for _, st := range p.stakes {
		if st.deciding != nil {
			return st.deciding
		}
	}
	return nil
}

func abandoned(name string) string {
	return fmt.Sprintf("shard %s was asked what becomes of it before it was decided, by a shard that had prepared it, or by its coordinator", name)
}

// Forget removes decisions from shards that this server leads: all that have prepared have them on disk.
func (l *Ledger) Forget(s *store.Store, q dbclient.TxnForgetRequest) error {
	of := map[string][]dbclient.TxnID{}
	for _, d := range q.Decisions {
		of[d.Shard] = append(of[d.Shard], d.ID)
	}
	for name, ids := range of {
		on, err := s.Led(name)
		if err == nil {
			err = on.Shard.Transactions().Forget(s.Life(), ids)
		}
		if err != nil {
			return fmt.Errorf("forget %d decisions of shard %s: %w", len(ids), name, err)
		}
	}
	return nil
}
