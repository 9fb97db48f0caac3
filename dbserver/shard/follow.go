package shard

import (
	"fmt"

	"stasis/internal/failpoint"
)

// Accept appends what a leader sends, takes back what contradicts it, and applies what is
// committed, all in one batch. The state says where this replica stands afterwards; without an
// error it has everything of the batch in its log. [ErrOldTenure]: the sender leads no more.
// [ErrGap]: Prev is not in the log. [ErrLeads]: this replica leads. apierror.BadParameter: no
// leader can have sent this.
//
// If the disk hangs the answer is an error, also when there is nothing to append: then this
// replica is silent to its leader, and leaves the in-sync set. Records are refused, too, while
// earlier ones are not on disk within the engine's bound.
func (s *Shard) Accept(b Batch) (State, error) {
	if err := b.check(); err != nil {
		return State{}, fmt.Errorf("shard %s: %w", s.name, err)
	}
	if err := answers(s.name, s.env.Engine, len(b.Records) > 0); err != nil {
		return State{}, err
	}
	st, err := change(s, func() error { return s.r.accept(b) })
	return st, durable(s, err, b.Sync && !failpoint.Off("sync-before-answer"))
}

// Log reads the records numbered from and later, of at most so many bytes but one at
// least, with the position before them. ok is false if the log no longer reaches
// back that far; then only a copy of the shard helps.
func (s *Shard) Log(from uint64, maxBytes int) (prev Position, records []Record, ok bool, err error) {
	if err := s.enter(); err != nil {
		return prev, nil, false, err
	}
	defer s.content.RUnlock()
	s.mu.Lock()
	tenure, known, err := s.r.st.tenureAt(from - 1)
	records, inTail := s.r.st.fromTail(from, maxBytes)
	s.mu.Unlock()
	prev = Position{Tenure: tenure, Seq: from - 1}
	if err != nil || !known || inTail {
		return prev, records, known && err == nil, err
	}
	if records, err = s.r.st.readLog(from, maxBytes); err != nil {
		return prev, nil, false, fmt.Errorf("log of shard %s: %w", s.name, err)
	}
	// Cut meanwhile, or taken back by another leader: then the tenure is not this one.
	return prev, records, len(records) > 0 && records[0].Seq == from, nil
}
