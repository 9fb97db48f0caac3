package shard

import (
	"errors"
	"fmt"

	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// ErrGap answers records that do not continue the log of this replica: the leader
// has to go further back.
var ErrGap = errors.New("the records do not continue this log")

// Batch is what a leader sends to a follower: the records after Prev, and how far
// all replicas have come.
type Batch struct {
	Tenure  Tenure
	Prev    Position // of the record before the first one
	Records []Record
	Commit  uint64 // records up to here are committed
	Sync    bool   // on disk before it is answered
}

// Accept appends what a leader sends, takes back what contradicts it, and applies
// what is committed, all in one batch. The state says where this replica stands
// afterwards: when there is no error, with everything of the batch in its log.
// ErrOldTenure: the sender leads no more. ErrGap: Prev is not in the log. ErrLeads: this
// replica leads. apierror.BadParameter: no leader can have sent this.
//
// Where the disk hangs the answer is an error, also when there is nothing to append: to
// the leader this replica is silent, and leaves the in-sync set. Records are refused, too,
// while those before are not on disk within the engine's bound.
func (s *Shard) Accept(b Batch) (State, error) {
	if err := b.check(); err != nil {
		return State{}, fmt.Errorf("shard %s: %w", s.name, err)
	}
	if err := s.counts(len(b.Records) > 0); err != nil {
		return State{}, err
	}
	s.content.RLock()
	defer s.content.RUnlock()
	if s.dropped {
		return State{}, s.gone()
	}
	s.mu.Lock()
	err := s.accept(b)
	m := s.meta
	s.mu.Unlock()
	if err == nil && b.Sync && !failpoint.Off("sync-before-answer") {
		err = s.env.Engine.SyncAll()
	}
	return stateOf(m), err
}

// counts says whether a leader may count on this replica, or may even write to it.
func (s *Shard) counts(writes bool) error {
	err := s.env.Engine.Alive()
	if err == nil && writes {
		err = s.env.Engine.Admit()
	}
	if err != nil {
		return fmt.Errorf("shard %s: %w", s.name, err)
	}
	return nil
}

func (s *Shard) accept(in Batch) error {
	if err := s.promise(in.Tenure); err != nil {
		return err
	}
	if err := s.leads(); err != nil {
		return err
	}
	known, err := s.has(in.Prev)
	if err != nil {
		return err
	}
	if !known && !failpoint.Off("gap-refused") || s.meta.copying {
		return fmt.Errorf("shard %s: %w: it ends at %s, wanted is %s", s.name, ErrGap, s.meta.position(), in.Prev)
	}
	fresh, err := s.fresh(in)
	if err != nil {
		return err
	}
	m := s.meta
	b := s.env.Engine.NewBatch()
	tail := s.tail
	if len(fresh) > 0 && fresh[0].Seq <= m.seq {
		if tail, err = s.takeBack(b, &m, fresh[0].Seq-1); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	for _, r := range fresh {
		if err := s.addRecord(b, &m, r); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	tail = append(tail[:len(tail):len(tail)], fresh...)
	n := in.commits(m)
	for _, r := range tail[:n] {
		if err := s.addData(b, &m, r); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	if n == 0 && len(fresh) == 0 {
		return b.Close()
	}
	dropAside := s.aside && len(fresh) > 0 // what goes on from the log needs no copy
	if dropAside {
		if err := b.DeleteRange(s.keys.documents(s.area.other(), "")); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	if err := s.store(b, m, false); err != nil {
		return fmt.Errorf("shard %s: accept up to %d: %w", s.name, m.seq, err)
	}
	s.tail = tail
	s.applied(n)
	if dropAside {
		s.aside = false
	}
	if len(fresh) > 0 && !failpoint.Off("records-end-a-copy") { // also one of which nothing has come: it would take this back
		s.copy.taking = false
	}
	return nil
}

// commits is how many records more are committed by this batch, after which the log is as
// m says. What is behind the batch may be another tenure's, and is not.
func (in Batch) commits(m meta) int {
	end := in.Prev.Seq + uint64(len(in.Records))
	if failpoint.Off("commit-within-batch") {
		end = m.seq
	}
	return max(0, int(min(in.Commit, end))-int(m.committed))
}

// fresh are the records that this replica does not have; the first of them may
// contradict some that it has. mu is held.
func (s *Shard) fresh(in Batch) ([]Record, error) {
	for i, r := range in.Records {
		known, err := s.has(r.Position())
		if err != nil {
			return nil, err
		}
		if !known {
			return in.Records[i:], nil
		}
	}
	return nil, nil
}

// takeBack removes the records after seq from the log. They must not be committed.
// It gives the tail that is left.
func (s *Shard) takeBack(b *engine.Batch, m *meta, seq uint64) ([]Record, error) {
	if seq < m.committed {
		return nil, apierror.New(apierror.BadParameter, "shard %s: record %d is committed here and contradicted by the leader", s.name, seq+1)
	}
	tenure, known, err := s.tenureAt(seq)
	if err != nil || !known {
		return nil, errors.Join(err, fmt.Errorf("shard %s: record %d: %w", s.name, seq, errRecord))
	}
	if err := b.DeleteRange(s.keys.log(seq+1), s.keys.log(m.seq+1)); err != nil {
		return nil, err
	}
	m.last, m.seq = tenure, seq
	m.log.cutBack(m.position())
	return s.tail[:seq-m.committed], nil
}

// has says whether the log has a record, or had it before it was cut. mu is held.
func (s *Shard) has(p Position) (bool, error) {
	if p.Seq > s.meta.seq {
		return false, nil
	}
	tenure, known, err := s.tenureAt(p.Seq)
	return known && tenure == p.Tenure, err
}

// tenureAt is the tenure of a record; known is false if the log no longer reaches
// back to it. mu is held.
func (s *Shard) tenureAt(seq uint64) (t Tenure, known bool, err error) {
	m := &s.meta
	switch {
	case seq == m.seq:
		return m.last, true, nil
	case seq > m.seq || seq+1 < m.log.first:
		return Tenure{}, false, nil
	case seq > m.committed:
		return s.tail[seq-m.committed-1].Tenure, true, nil
	case seq+1 == m.log.first:
		return m.log.beforeFirst, true, nil
	}
	value, found, err := s.env.Engine.Get(s.keys.log(seq))
	if err != nil || !found {
		return Tenure{}, false, err
	}
	r, err := DecodeRecord(seq, value)
	return r.Tenure, err == nil, err
}
