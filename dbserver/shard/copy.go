package shard

import (
	"errors"
	"fmt"

	"stasis/dbserver/engine"
)

// Copy reads all documents of a shard as they were at one moment, for a replica
// that the log no longer reaches. Writes go on meanwhile. It belongs to one goroutine.
type Copy struct {
	shard *Shard
	snap  *engine.Snapshot
	it    *engine.Iterator
	more  bool
	state State
	sum   uint64 // of what Next has given, as Checksum adds it up
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
	snap, err := s.r.st.engine.NewSnapshot()
	if err != nil {
		return nil, fmt.Errorf("copy shard %s: %w", s.name, err)
	}
	tenure, known, err := s.r.st.tenureAt(s.r.st.meta.committed)
	if err == nil && !known {
		err = errRecord
	}
	c := &Copy{shard: s, snap: snap, state: stateOf(s.r.st.meta)}
	c.state.Last = Position{Tenure: tenure, Seq: s.r.st.meta.committed}
	if err == nil {
		c.it, err = snap.NewIter(s.r.st.keys.documents(s.r.st.area, ""))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copy shard %s: %w", s.name, err), snap.Close())
	}
	c.more = c.it.First()
	c.pin = s.r.st.pin(s.r.st.meta.committed + 1)
	return c, nil
}

// State is what the replica that is copied to has at the end: its log ends where
// this shard's had been applied.
func (c *Copy) State() State { return c.state }

// End is what the replica that is copied to has to find: State, and the sum of all documents
// that Next has given.
func (c *Copy) End() CopyEnd { return CopyEnd{State: c.state, Sum: c.sum} }

// Next gives some documents, of about so many bytes; none at the end.
func (c *Copy) Next(maxBytes int) (entries []Entry, err error) {
	for size := 0; c.more && size < maxBytes; c.more = c.it.Next() {
		value, err := c.it.Value()
		if err != nil {
			return nil, fmt.Errorf("copy shard %s: %w", c.shard.name, err)
		}
		e := Entry{Key: c.shard.r.st.keys.keyOf(c.it.Key()), Value: append([]byte(nil), value...)}
		entries, size = append(entries, e), size+len(e.Key)+len(e.Value)
		c.sum += sumOf(e.Key, e.Value)
	}
	if err := c.it.Err(); err != nil {
		return nil, fmt.Errorf("copy shard %s: %w", c.shard.name, err)
	}
	return entries, nil
}

// Close ends the copy. The log that it kept may be cut then; a caller that needs it pins it
// before.
func (c *Copy) Close() error {
	c.shard.Unpin(c.pin)
	return errors.Join(c.it.Close(), c.snap.Close())
}
