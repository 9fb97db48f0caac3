package shard

import (
	"errors"
	"fmt"
	"slices"

	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// ErrOldTenure answers what comes from a tenure older than one that is known here.
var ErrOldTenure = errors.New("a later tenure is known")

// ErrLeads answers records and copies that are sent to the replica that leads.
var ErrLeads = errors.New("this replica leads")

// leads is nil unless this replica leads, in the tenure that it has promised last: a later
// promise ends that.
func (s *Shard) leads() error {
	if s.lead == nil || failpoint.Off("leader-takes-nothing") {
		return nil
	}
	return fmt.Errorf("shard %s: %w in tenure %s", s.name, ErrLeads, s.lead.tenure)
}

// Promise refuses, from now on, everything of tenures before t, and says where this
// replica stands. ErrOldTenure if a later one has been promised already; the state
// says which. A promise that has been made is on disk.
func (s *Shard) Promise(t Tenure) (State, error) {
	if err := s.counts(false); err != nil {
		return State{}, err
	}
	s.content.RLock()
	defer s.content.RUnlock()
	if s.dropped {
		return State{}, s.gone()
	}
	s.mu.Lock()
	err := s.promise(t)
	m := s.meta
	s.mu.Unlock()
	if err == nil && !failpoint.Off("promise-on-disk") {
		err = s.env.Engine.SyncAll()
	}
	return stateOf(m), err
}

// Overrule is Promise, but for one promise that is on disk and that no tenure can have
// asked for: the caller has found that Plan never had it. What the log has of tenures
// after t, and is not committed, goes with it.
func (s *Shard) Overrule(bogus, t Tenure) (State, error) {
	s.content.RLock()
	defer s.content.RUnlock()
	if s.dropped {
		return State{}, s.gone()
	}
	s.mu.Lock()
	var err error
	if s.meta.promised == bogus && t.Compare(bogus) < 0 {
		err = s.overrule(t)
	} else {
		err = s.promise(t)
	}
	m := s.meta
	s.mu.Unlock()
	if err == nil {
		err = s.env.Engine.SyncAll()
	}
	return stateOf(m), err
}

// overrule is called with mu held.
func (s *Shard) overrule(t Tenure) error {
	s.follow()
	m, tail, b := s.meta, s.tail, s.env.Engine.NewBatch()
	if i := slices.IndexFunc(tail, func(r Record) bool { return r.Tenure.Compare(t) > 0 }); i >= 0 {
		var err error
		if tail, err = s.takeBack(b, &m, tail[i].Seq-1); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	m.promised = t
	if err := s.store(b, m, false); err != nil {
		return err
	}
	s.tail = tail
	return nil
}

// promise is called with mu held.
func (s *Shard) promise(t Tenure) error {
	switch c := t.Compare(s.meta.promised); {
	case c < 0 && !failpoint.Off("older-tenure-refused"):
		return fmt.Errorf("shard %s: tenure %s: %w: %s", s.name, t, ErrOldTenure, s.meta.promised)
	case c == 0:
		return nil
	}
	s.follow()
	m := s.meta
	m.promised = t
	return s.storeMeta(m, false)
}

// Lead makes this replica the leader in tenure t: writes are numbered from here. Its
// log must be the longest of all in-sync replicas, and have all that the shard had at the
// cut that it was restored from. What its log has that is not
// committed, the others must have before Commit; only then writes are taken.
func (s *Shard) Lead(t Tenure, q Quorum, alone bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta.copying {
		return fmt.Errorf("shard %s: cannot lead: it is an unfinished copy", s.name)
	}
	if end := s.meta.position(); end.Compare(s.certified) < 0 {
		return fmt.Errorf("shard %s: cannot lead: it was restored from a replica that was behind at the cut, and ends at %s; what was acknowledged ended at %s", s.name, end, s.certified)
	}
	if err := s.promise(t); err != nil {
		return err
	}
	if err := s.emptyAside(); err != nil {
		return err
	}
	newest := s.meta.revision
	for _, r := range s.tail {
		newest = max(newest, r.Time)
	}
	s.env.Clock.Observe(newest)
	s.lead = &leadership{tenure: t, quorum: q, alone: alone, begun: s.meta.seq}
	return nil
}

// Follow ends the leadership of tenure t, if it is that. Writes under way end as
// their Quorum says.
func (s *Shard) Follow(t Tenure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lead != nil && s.lead.tenure == t {
		s.follow()
	}
}

func (s *Shard) follow() {
	s.lead, s.emptied = nil, 0
	clear(s.pending)
}

// Alone says whether records may be applied without waiting for any other replica. It
// gives the number of the last record: everything up to it has been applied, or
// will be by Commit.
func (s *Shard) Alone(t Tenure, alone bool) (seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lead != nil && s.lead.tenure == t {
		s.lead.alone = alone
	}
	return s.meta.seq
}

// Commit applies the records up to seq: every in-sync replica has them. A number
// that has been committed, or is not there, is harmless.
func (s *Shard) Commit(seq uint64) (committed uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.apply(min(seq, s.meta.seq))
	return s.meta.committed, err
}

// apply brings the documents to record seq, in one batch. mu is held.
func (s *Shard) apply(seq uint64) error {
	n := int(seq) - int(s.meta.committed)
	if n <= 0 {
		return nil
	}
	m := s.meta
	b := s.env.Engine.NewBatch()
	for _, r := range s.tail[:n] {
		if err := s.addData(b, &m, r); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	if err := s.store(b, m, false); err != nil {
		return fmt.Errorf("shard %s: apply up to %d: %w", s.name, seq, err)
	}
	s.applied(n)
	return nil
}

// applied takes n records from the tail.
func (s *Shard) applied(n int) {
	for _, r := range s.tail[:n] {
		for _, c := range r.Changes {
			if s.pending[c.Key].seq == r.Seq {
				delete(s.pending, c.Key)
			}
		}
	}
	s.tail = s.tail[n:]
	if len(s.tail) == 0 {
		s.tail = nil // what it is part of may go
	}
}

// addData adds what a record does to documents and counters.
func (s *Shard) addData(b *engine.Batch, m *meta, r Record) error {
	for _, c := range r.Changes {
		var err error
		switch c.Kind {
		case Put:
			err = b.Set(s.keys.document(s.area, c.Key), c.Value)
		case Delete:
			err = b.Delete(s.keys.document(s.area, c.Key))
		default:
			m.count = 0
			err = b.DeleteRange(s.keys.documents(s.area, ""))
		}
		if err != nil {
			return err
		}
	}
	if r.Added < 0 && m.count < uint64(-r.Added) {
		return apierror.New(apierror.BadParameter, "%w: seq %d takes away %d documents of %d", errRecord, r.Seq, -r.Added, m.count)
	}
	m.committed = r.Seq
	m.count += uint64(r.Added) // two's complement: subtracts
	m.revision = max(m.revision, r.Time)
	return nil
}

// addRecord adds a record to the log, and deletes what the log need not keep.
func (s *Shard) addRecord(b *engine.Batch, m *meta, r Record) error {
	encoded := r.Encode()
	if err := b.Set(s.keys.log(r.Seq), encoded); err != nil {
		return err
	}
	m.last, m.seq = r.Tenure, r.Seq
	if from, to, cut := m.log.grow(r.Position(), len(encoded), s.env.Retention, m.committed, s.pinned()); cut {
		return b.DeleteRange(s.keys.log(from), s.keys.log(to))
	}
	return nil
}

// append numbers a change as the leader's next record. The caller holds content, and
// the key if it is about one. After it the change is in this replica's log, and if
// it is alone also in its documents.
func (s *Shard) append(w write) (seq uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lead == nil || s.meta.committed < s.lead.begun {
		return 0, s.notLeader()
	}
	r := Record{Tenure: s.lead.tenure, Seq: s.meta.seq + 1, Time: w.time, Added: w.added, Changes: []Change{w.change}}
	fused := s.lead.alone && len(s.tail) == 0
	m := s.meta
	b := s.env.Engine.NewBatch()
	if fused {
		err = s.addData(b, &m, r)
	}
	if err == nil {
		err = s.addRecord(b, &m, r)
	}
	if err != nil {
		return 0, errors.Join(err, b.Close())
	}
	if err := s.store(b, m, false); err != nil {
		return 0, err
	}
	if !fused {
		s.tail = append(s.tail, r)
		if w.change.Kind == Truncate {
			s.emptied = r.Seq
		} else {
			s.pending[w.change.Key] = tentative{seq: r.Seq, document: w.document}
		}
	}
	return r.Seq, nil
}

func (s *Shard) notLeader() error {
	return apierror.New(apierror.NotLeader, "this server does not lead shard %s", s.name)
}

// write is a change about to be numbered.
type write struct {
	change   Change
	document *document // Put: the same as in change
	added    int64     // documents
	time     uint64    // of the clock
}

// Pin keeps the log from a number on, for somebody who will need it.
type Pin struct{ seq uint64 }

// Pin keeps the records from seq on until Unpin.
func (s *Shard) Pin(seq uint64) *Pin {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Pin{seq: seq}
	s.pins[p] = struct{}{}
	return p
}

// Unpin gives a pin up; harmless when it has been.
func (s *Shard) Unpin(p *Pin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pins, p)
}

// pinned is the first record that somebody needs. mu is held.
func (s *Shard) pinned() uint64 {
	first := s.meta.seq + 2
	for p := range s.pins {
		first = min(first, p.seq)
	}
	return first
}
