package shard

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// CopyID names a copy that a leader brings. The leader numbers the copies of its tenure
// from 1; the replica makes up the session when the copy begins, and takes no part of it
// from a sender that does not show it.
type CopyID struct {
	Tenure  Tenure
	Number  uint64
	Session string
}

// CopyEnd is what a whole copy amounts to: where the replica stands then, and the sum of
// its documents as Checksum adds it up.
type CopyEnd struct {
	State State
	Sum   uint64
}

// incoming is a copy that is brought here, and what has come of it.
type incoming struct {
	CopyID
	taking bool // it has begun, and neither ended nor been given up

	last   string // highest key
	newest uint64 // highest revision time
	count  uint64
	sum    uint64
}

// BeginCopy prepares this replica to take a copy. What it has stays as it is until EndCopy
// finds the copy whole: documents come into the area beside. ErrOldTenure as for Accept;
// ErrGap if it has been overtaken by a later copy: what is late must not spoil that.
func (s *Shard) BeginCopy(t Tenure, n uint64) (session string, err error) {
	err = s.exclusive(t, func() error {
		if s.copy.Tenure == t && n <= s.copy.Number && !failpoint.Off("late-copy-refused") {
			return fmt.Errorf("%w: copy %d comes after copy %d", ErrGap, n, s.copy.Number)
		}
		if err := s.emptyAside(); err != nil {
			return err
		}
		session = rand.Text()
		s.copy = incoming{CopyID: CopyID{Tenure: t, Number: n, Session: session}, taking: true}
		return nil
	})
	return session, err
}

// emptyAside removes what has come of a copy that was given up. mu is held.
func (s *Shard) emptyAside() error {
	if !s.aside {
		return nil
	}
	b := s.env.Engine.NewBatch()
	if err := b.DeleteRange(s.keys.documents(s.area.other(), "")); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := s.store(b, s.meta, false); err != nil {
		return err
	}
	s.aside, s.copy.taking = false, false
	return nil
}

// Receiving says whether a copy is being brought here.
func (s *Shard) Receiving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copy.taking
}

// taking is an error unless this is the copy that is being brought. One begun before a
// restart is none: the leader begins another.
func (s *Shard) taking(c CopyID) error {
	if !s.copy.taking || s.copy.CopyID != c && !failpoint.Off("copy-of-session") {
		return fmt.Errorf("%w: copy %d has not begun, or under another session", ErrGap, c.Number)
	}
	return nil
}

// AddCopy stores documents of a copy, in the order of their keys. Errors as for BeginCopy;
// apierror.BadParameter for documents that a leader cannot have: the copy is given up then.
func (s *Shard) AddCopy(c CopyID, entries []Entry) error {
	return s.exclusive(c.Tenure, func() error {
		if err := s.taking(c); err != nil {
			return err
		}
		next := s.copy
		for _, e := range entries {
			if err := next.add(e); err != nil {
				s.copy.taking = false
				return err
			}
		}
		b := s.env.Engine.NewBatch()
		for _, e := range entries {
			if err := b.Set(s.keys.document(s.area.other(), e.Key), e.Value); err != nil {
				return errors.Join(err, b.Close())
			}
		}
		s.aside = true // also if the outcome is not known
		if err := s.store(b, s.meta, false); err != nil {
			return err
		}
		s.copy = next
		return nil
	})
}

// add counts a document in.
func (in *incoming) add(e Entry) error {
	if in.count > 0 && e.Key <= in.last {
		return apierror.New(apierror.BadParameter, "document %q comes after %q", e.Key, in.last)
	}
	time, err := checkStored(e.Key, e.Value)
	if err != nil {
		return err
	}
	in.last, in.newest, in.count = e.Key, max(in.newest, time), in.count+1
	in.sum += sumOf(e.Key, e.Value)
	return nil
}

// EndCopy puts the copy in the place of what this replica has, durably and in one step, if
// it is what the leader has read: this replica stands then where the copy says. Errors as
// for AddCopy.
func (s *Shard) EndCopy(c CopyID, end CopyEnd) error {
	return s.exclusive(c.Tenure, func() error {
		if err := s.taking(c); err != nil {
			return err
		}
		s.copy.taking = false // however this ends
		m, err := s.copy.whole(end)
		if err != nil {
			return err
		}
		m.promised, m.documents = s.meta.promised, s.area.other()
		b := s.env.Engine.NewBatch()
		if err := errors.Join(b.DeleteRange(s.keys.documents(s.area, "")), b.DeleteRange(s.keys.log(0), s.keys.of(kindLog+1, 0))); err != nil {
			return errors.Join(err, b.Close())
		}
		if err := s.store(b, m, true); err != nil {
			return err
		}
		s.area, s.aside, s.tail = m.documents, false, nil
		return nil
	})
}

// whole compares what has come with what the leader has read, and gives the meta of a
// replica that has it.
func (in *incoming) whole(end CopyEnd) (m meta, err error) {
	st := end.State
	if (st.Count != in.count || end.Sum != in.sum) && !failpoint.Off("copy-is-whole") {
		return m, apierror.New(apierror.BadParameter, "%d documents with the sum %016x have come, the copy is said to have %d with %016x", in.count, in.sum, st.Count, end.Sum)
	}
	if st.Last.Tenure.Compare(in.Tenure) > 0 || st.Last.Seq > maxSeq || (st.Last.Seq == 0) != (st.Last.Tenure == Tenure{}) {
		return m, apierror.New(apierror.BadParameter, "a copy of tenure %s cannot end at %s", in.Tenure, st.Last)
	}
	m = newMeta()
	if st.Revision != "" {
		if m.revision, err = parseRevision(st.Revision); err != nil {
			return m, apierror.New(apierror.BadParameter, "%w", err)
		}
	}
	if m.revision < in.newest || m.revision > maxTime {
		return m, apierror.New(apierror.BadParameter, "the highest revision of the copy is said to be %q, and it has a document of %q", st.Revision, revision(in.newest))
	}
	m.last, m.seq, m.committed, m.count = st.Last.Tenure, st.Last.Seq, st.Last.Seq, st.Count
	m.log = logSpan{first: m.seq + 1, middle: m.seq + 1, beforeFirst: m.last, beforeHalf: m.last}
	return m, nil
}

// hasAside says whether there is something in the area that does not have the documents.
func (s *Shard) hasAside() (found bool, err error) {
	it, err := s.env.Engine.NewIter(s.keys.documents(s.area.other(), ""))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	return it.First(), nil
}

// maxSeq bounds the numbers of records that another server may send: what is counted on
// from them does not overflow.
const maxSeq = math.MaxInt64 / 2
