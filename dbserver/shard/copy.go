package shard

import (
	"errors"
	"fmt"

	"stasis/dbserver/engine"
	"stasis/internal/failpoint"
)

// Entry is a stored document under its key, as a copy carries it.
type Entry struct {
	Key   string
	Value []byte
}

// Copy reads all documents of a shard as they were at one moment, for a replica
// that the log no longer reaches. Writes go on meanwhile. It belongs to one goroutine.
type Copy struct {
	shard *Shard
	snap  *engine.Snapshot
	it    *engine.Iterator
	more  bool
	state State
	pin   *Pin
}

// NewCopy begins a copy. The log is kept from its end on until Close.
func (s *Shard) NewCopy() (_ *Copy, err error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.content.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	snap, err := s.env.Engine.NewSnapshot()
	if err != nil {
		return nil, fmt.Errorf("copy shard %s: %w", s.name, err)
	}
	tenure, known, err := s.tenureAt(s.meta.committed)
	if err == nil && !known {
		err = errRecord
	}
	c := &Copy{shard: s, snap: snap, state: stateOf(s.meta)}
	c.state.Last = Position{Tenure: tenure, Seq: s.meta.committed}
	if err == nil {
		from, to := s.keys.documents("")
		c.it, err = snap.NewIter(from, to)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copy shard %s: %w", s.name, err), snap.Close())
	}
	c.more = c.it.First()
	c.pin = &Pin{seq: s.meta.committed + 1}
	s.pins[c.pin] = struct{}{}
	return c, nil
}

// State is what the replica that is copied to has at the end: its log ends where
// this shard's had been applied.
func (c *Copy) State() State { return c.state }

// Next gives some documents, of about so many bytes; none at the end.
func (c *Copy) Next(maxBytes int) (entries []Entry, err error) {
	for size := 0; c.more && size < maxBytes; c.more = c.it.Next() {
		value, err := c.it.Value()
		if err != nil {
			return nil, fmt.Errorf("copy shard %s: %w", c.shard.name, err)
		}
		e := Entry{Key: c.shard.keys.keyOf(c.it.Key()), Value: append([]byte(nil), value...)}
		entries, size = append(entries, e), size+len(e.Key)+len(e.Value)
	}
	if err := c.it.Err(); err != nil {
		return nil, fmt.Errorf("copy shard %s: %w", c.shard.name, err)
	}
	return entries, nil
}

// Close gives the copy up, and with it the log that it kept: who needs that pins it before.
func (c *Copy) Close() error {
	c.shard.Unpin(c.pin)
	return errors.Join(c.it.Close(), c.snap.Close())
}

// BeginCopy empties this replica to take a copy, which only EndCopy makes worth
// something. Copies of one tenure are numbered from 1. ErrOldTenure as for Accept;
// ErrGap if it has been overtaken by a later copy: what is late must not spoil that.
func (s *Shard) BeginCopy(t Tenure, n uint64) error {
	return s.exclusive(t, func() error {
		if s.copy.tenure == t && n <= s.copy.number && !failpoint.Off("late-copy-refused") {
			return fmt.Errorf("%w: copy %d comes after copy %d", ErrGap, n, s.copy.number)
		}
		b := s.env.Engine.NewBatch()
		if err := errors.Join(b.DeleteRange(s.keys.documents("")), b.DeleteRange(s.keys.log(0), s.keys.of(kindLog+1, 0))); err != nil {
			return errors.Join(err, b.Close())
		}
		m := newMeta()
		m.promised, m.copying = s.meta.promised, true
		if err := s.store(b, m, false); err != nil {
			return err
		}
		s.tail, s.copy = nil, copyNumber{t, n}
		return nil
	})
}

// copyNumber names a copy that a leader brings.
type copyNumber struct {
	tenure Tenure
	number uint64
}

// taking is an error unless this is the copy under way. One begun before a restart
// is none: the leader begins anew.
func (s *Shard) taking(c copyNumber) error {
	if !s.meta.copying || s.copy != c {
		return fmt.Errorf("%w: copy %d is not under way", ErrGap, c.number)
	}
	return nil
}

// AddCopy stores documents of a copy. Errors as for BeginCopy.
func (s *Shard) AddCopy(t Tenure, n uint64, entries []Entry) error {
	return s.exclusive(t, func() error {
		if err := s.taking(copyNumber{t, n}); err != nil {
			return err
		}
		b := s.env.Engine.NewBatch()
		for _, e := range entries {
			if err := b.Set(s.keys.document(e.Key), e.Value); err != nil {
				return errors.Join(err, b.Close())
			}
		}
		return s.store(b, s.meta, false)
	})
}

// EndCopy makes the copy valid, durably: this replica stands where the copy says.
// Errors as for BeginCopy.
func (s *Shard) EndCopy(t Tenure, n uint64, st State) error {
	return s.exclusive(t, func() error {
		if err := s.taking(copyNumber{t, n}); err != nil {
			return err
		}
		m := newMeta()
		m.promised, m.last, m.seq, m.committed = s.meta.promised, st.Last.Tenure, st.Last.Seq, st.Last.Seq
		m.log = logSpan{first: m.seq + 1, middle: m.seq + 1, beforeFirst: m.last, beforeHalf: m.last}
		m.count = st.Count
		if st.Revision != "" {
			var err error
			if m.revision, err = parseRevision(st.Revision); err != nil {
				return fmt.Errorf("shard %s: %w", s.name, err)
			}
		}
		return s.storeMeta(m, true)
	})
}

// exclusive does f while nobody reads, under tenure t.
func (s *Shard) exclusive(t Tenure, f func() error) error {
	s.content.Lock()
	defer s.content.Unlock()
	if s.dropped {
		return s.gone()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.promise(t); err != nil {
		return err
	}
	if err := f(); err != nil {
		return fmt.Errorf("copy to shard %s: %w", s.name, err)
	}
	return nil
}
