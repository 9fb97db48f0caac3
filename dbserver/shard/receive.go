package shard

import (
	"fmt"

	"stasis/internal/failpoint"
)

// BeginCopy prepares this replica to take a copy. What it has stays as it is until EndCopy
// finds the copy whole: documents come into the area beside. [ErrOldTenure] as for Accept;
// [ErrGap] if it has been overtaken by a later copy: what is late must not spoil that.
func (s *Shard) BeginCopy(t Tenure, n uint64) (session string, err error) {
	err = s.exclusive(t, func() error {
		session, err = s.r.in.begin(t, n)
		return err
	})
	return session, err
}

// AddCopy stores documents of a copy, in the order of their keys. Errors as for BeginCopy;
// apierror.BadParameter for documents that a leader cannot have: the copy is given up then.
func (s *Shard) AddCopy(c CopyID, entries []Entry) error {
	return s.exclusive(c.Tenure, func() error { return s.r.in.add(c, entries) })
}

// EndCopy puts the copy in the place of what this replica has, durably and in one step, if
// it is what the leader has read: this replica stands then where the copy says. Errors as
// for AddCopy.
func (s *Shard) EndCopy(c CopyID, end CopyEnd) error {
	err := s.exclusive(c.Tenure, func() error { return s.r.in.end(c, end) })
	return durable(s, err, !failpoint.Off("copy-on-disk"))
}

// Receiving says whether a copy is being brought here.
func (s *Shard) Receiving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.in.received.taking
}

// exclusive runs f while no operation reads, under tenure t.
func (s *Shard) exclusive(t Tenure, f func() error) error {
	s.content.Lock()
	defer s.content.Unlock()
	if s.dropped {
		return gone(s.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.r.promise(t); err != nil {
		return err
	}
	if err := s.r.leads(); err != nil {
		return err
	}
	if err := f(); err != nil {
		return fmt.Errorf("copy to shard %s: %w", s.name, err)
	}
	return nil
}
