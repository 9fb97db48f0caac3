package shard

import "fmt"

// Lead makes this replica the leader in tenure t: writes are numbered from here. Its log must
// be the longest of all in-sync replicas, and have all that the shard had at the cut that it
// was restored from. The other replicas must have what its log has that is not committed
// before Commit is called; only then writes are taken.
func (s *Shard) Lead(t Tenure, q Quorum, alone bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.r.begin(t, q, alone); err != nil {
		return err
	}
	s.env.Clock.observe(s.r.newest()) // so that revisions go on after those of earlier leaders
	return nil
}

// leading is what writes are decided under, if one may begin. A disk that takes no
// writes is found out here, before anything is numbered: the write is refused, not unknown.
func (s *Shard) leading() (*leadership, error) {
	s.mu.Lock()
	lead := s.r.lead
	s.mu.Unlock()
	if lead == nil {
		return nil, notLeader(s.name)
	}
	if err := lead.quorum.Admit(); err != nil {
		return nil, err
	}
	if err := s.env.Engine.Admit(); err != nil {
		return nil, fmt.Errorf("shard %s: %w", s.name, err)
	}
	return lead, nil
}

// stillLeading is leading, for one who has waited for locks under a leadership: a later one has given them to others, perhaps.
func stillLeading(s *Shard, under *leadership) error {
	now, err := s.leading()
	if err == nil && now != under {
		err = notLeader(s.name)
	}
	return err
}

// Follow ends the leadership of tenure t, if it is that. Writes in flight end as
// their Quorum says.
func (s *Shard) Follow(t Tenure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r.lead != nil && s.r.lead.tenure == t {
		s.r.follow()
	}
}

// Alone says whether records may be applied without waiting for any other replica. It
// gives the number of the last record: everything up to it has been applied, or
// will be by Commit.
func (s *Shard) Alone(t Tenure, alone bool) (seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r.lead != nil && s.r.lead.tenure == t {
		s.r.lead.alone = alone
	}
	return s.r.st.meta.seq
}

// Commit applies the records up to seq: every in-sync replica has them. A number that has been
// committed, or is not there, is harmless.
func (s *Shard) Commit(seq uint64) (committed uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.commit(seq)
}

// Pin keeps the records from seq on until Unpin.
func (s *Shard) Pin(seq uint64) *Pin {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.st.pin(seq)
}

// Unpin gives a pin up. nil, and a pin that was given up before, are harmless.
func (s *Shard) Unpin(p *Pin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.r.st.unpin(p)
}
