package shard

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Transactions are the calls of transactions on a shard that this replica leads. All may be used by many goroutines at once.
type Transactions struct{ s *Shard }

// Transactions gives the calls of transactions.
func (s *Shard) Transactions() Transactions { return Transactions{s: s} }

// Prepared is a transaction that is prepared on a shard, and not resolved.
type Prepared struct {
	ID   TxnID
	Home dbclient.TxnShard // knows what becomes of it
}

// Resolve ends a transaction that is prepared here, in this leadership or an earlier one: commit applies its writes, otherwise
// they are gone. It returns when that is applied, and with sync when it is on the disks of all in-sync replicas.
// It can be repeated. found is false if the transaction is not prepared here (any more); with sync everything
// that has ended it is on all disks then. Locks that this leader has inherited for it are released.
// apierror.ConnectionLost: the outcome is unknown. apierror.Conflict: it is resolved already, and not so. After any other error
// nothing was done.
func (x Transactions) Resolve(ctx context.Context, id TxnID, commit, sync bool) (found bool, err error) {
	s := x.s
	lead, err := s.leading()
	if err != nil {
		return false, err
	}
	seq, found, err := x.resolve(lead, id, commit)
	if err != nil {
		return false, fmt.Errorf("shard %s: resolve transaction %s: %w", s.name, id, err)
	}
	if !found && (!sync || failpoint.Off("repeated-resolution-on-disk")) {
		return false, nil
	}
	if found && failpoint.Off("resolution-on-disk") {
		sync = false
	}
	if err := lead.quorum.Await(ctx, seq, sync); err != nil {
		return found, apierror.New(apierror.ConnectionLost, "shard %s: transaction %s: the outcome of its end is unknown: %w", s.name, id, err)
	}
	return found, nil
}

// resolve numbers the end of a prepared transaction. If it is not found, seq is the last record.
func (x Transactions) resolve(lead *leadership, id TxnID, commit bool) (seq uint64, found bool, err error) {
	s := x.s
	if err := s.enter(); err != nil {
		return 0, false, err
	}
	defer s.content.RUnlock()
	time, err := s.env.Clock.next()
	if err != nil {
		return 0, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.r.decides(lead); err != nil {
		return 0, false, err
	}
	d := s.doubts.get(id)
	switch {
	case d == nil:
		return s.r.st.meta.seq, false, nil
	case d.resolved != 0 && d.commit != commit:
		return 0, false, apierror.New(apierror.Conflict, "it is resolved already: committed: %v", d.commit)
	case d.resolved != 0:
		return d.resolved, true, nil
	}
	w := write{time: time, doubt: d}
	verdict := byte(0)
	if commit {
		verdict = 1
		p, err := s.r.st.preparedAs(id)
		if err != nil {
			return 0, false, err
		}
		w.changes, w.added = p.changes, p.added
	}
	w.changes = append(w.changes, Change{Kind: Resolved, Key: keyOfTxn(id), Value: []byte{verdict}})
	seq, err = s.r.append(lead, w)
	return seq, true, err
}

// preparedAs is what a transaction was prepared with.
func (st *storage) preparedAs(id TxnID) (prepared, error) {
	key := keyOfTxn(id)
	value, found, err := st.engine.Get(st.keys.entry(PreparedTxns, st.area, key))
	if err != nil {
		return prepared{}, err
	}
	for _, r := range st.tail {
		if c := r.Changes[len(r.Changes)-1]; c.Kind == Prepare && c.Key == key {
			value, found = c.Value, true
		}
	}
	if !found {
		return prepared{}, fmt.Errorf("%w: it is not there", errTxn)
	}
	return decodePrepared(value)
}

// Decision says whether a transaction is committed whose home this shard is, and which others have prepared it. It
// waits for a decision that is in the log and not committed yet. What it has found is on the disks of all in-sync
// replicas. Not found: no decision is kept here; none can come unless the transaction has an open part here.
func (x Transactions) Decision(ctx context.Context, id TxnID) (others []dbclient.TxnShard, found bool, err error) {
	s := x.s
	s.mu.Lock()
	lead, seq := s.r.lead, s.r.st.meta.seq
	var d Decision
	if lead != nil {
		d, found = lead.decided[id]
	}
	broken := s.r.st.broken
	s.mu.Unlock()
	if lead == nil {
		return nil, false, notLeader(s.name)
	}
	if !found && broken != nil && !failpoint.Off("no-decision-is-certain") {
		// A decision whose commit has failed may come onto the disk yet, and be found when the shard is opened again.
		return nil, false, apierror.New(apierror.ConnectionLost, "shard %s: whether transaction %s is committed is not known while the disk fails: %w", s.name, id, broken)
	}
	if !found {
		return nil, false, nil
	}
	if !failpoint.Off("decision-is-committed") {
		if err := lead.quorum.Await(ctx, seq, true); err != nil {
			return nil, false, apierror.New(apierror.ConnectionLost, "shard %s: whether transaction %s is committed is not known yet: %w", s.name, id, err)
		}
	}
	return d.Others, true, nil
}

// Decisions are all that are kept here, in the order of their ids; apierror.NotLeader if this replica does not lead.
func (x Transactions) Decisions() ([]Decision, error) {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r.lead == nil {
		return nil, notLeader(s.name)
	}
	all := make([]Decision, 0, len(s.r.lead.decided))
	for _, d := range s.r.lead.decided {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b Decision) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// Forget removes decisions, in one record, and returns when that is applied. Those that are not there are
// skipped.
func (x Transactions) Forget(ctx context.Context, ids []TxnID) error {
	s := x.s
	lead, err := s.leading()
	if err != nil {
		return err
	}
	seq, err := x.forget(lead, ids)
	if err != nil {
		return fmt.Errorf("shard %s: forget decisions: %w", s.name, err)
	}
	if seq == 0 {
		return nil
	}
	if err := lead.quorum.Await(ctx, seq, false); err != nil {
		return unknown(s.name, err)
	}
	return nil
}

// forget numbers the end of decisions; seq is 0 if there are none.
func (x Transactions) forget(lead *leadership, ids []TxnID) (seq uint64, err error) {
	s := x.s
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.content.RUnlock()
	time, err := s.env.Clock.next()
	if err != nil {
		return 0, err
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.r.decides(lead); err != nil {
		return 0, err
	}
	w := write{time: time}
	for _, id := range ids {
		if _, kept := lead.decided[id]; kept {
			w.changes = append(w.changes, Change{Kind: Forgotten, Key: keyOfTxn(id)})
		}
	}
	if len(w.changes) == 0 {
		return 0, nil
	}
	return s.r.append(lead, w)
}

// Prepared are all transactions that are prepared here and not resolved, in the order of their ids; apierror.NotLeader if this
// replica does not lead.
func (x Transactions) Prepared() ([]Prepared, error) {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r.lead == nil {
		return nil, notLeader(s.name)
	}
	var all []Prepared
	for _, d := range s.doubts.list() {
		all = append(all, Prepared{ID: d.id, Home: d.home})
	}
	slices.SortFunc(all, func(a, b Prepared) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// InDoubt says whether a transaction is prepared here, and not resolved; apierror.NotLeader if this replica does not lead.
func (x Transactions) InDoubt(id TxnID) (bool, error) {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r.lead == nil {
		return false, notLeader(s.name)
	}
	return s.doubts.get(id) != nil, nil
}

// Settled returns when all transactions are resolved that are prepared now. After 10 s the error is
// apierror.LockTimeout, which names one. A reader of the whole shard that has waited sees all of a transaction of which it
// has seen a part elsewhere. Scan and Documents wait by themselves.
func (x Transactions) Settled(ctx context.Context) error {
	return refused(x.s.doubts.awaitAll(ctx))
}
