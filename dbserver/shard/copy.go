package shard

import (
	"errors"
	"fmt"

	"stasis/dbserver/engine"
	"stasis/internal/failpoint"
)

// Copy reads all documents of a shard as they were at one moment, and the transactions that are prepared and
// decided, for a replica that the log no longer reaches. Writes go on meanwhile. It belongs to one goroutine.
type Copy struct {
	shard *Shard
	snap  *engine.Snapshot
	in    area
	space int // the place of the one that it is on
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
	c := &Copy{shard: s, snap: snap, in: s.r.st.area, state: stateOf(s.r.st.meta)}
	c.state.Last = Position{Tenure: tenure, Seq: s.r.st.meta.committed}
	if err == nil {
		err = c.open()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copy shard %s: %w", s.name, err), snap.Close())
	}
	c.pin = s.r.st.pin(s.r.st.meta.committed + 1)
	return c, nil
}

// State is what the replica that is copied to has at the end: its log ends where
// this shard's had been applied.
func (c *Copy) State() State { return c.state }

// End is what the replica that is copied to has to find: State, and the sum of all
// that Next has given.
func (c *Copy) End() CopyEnd { return CopyEnd{State: c.state, Sum: c.sum} }

// open begins with the entries of a space.
func (c *Copy) open() (err error) {
	c.it, err = c.snap.NewIter(c.shard.r.st.keys.entries(spaces[c.space], c.in))
	if err == nil {
		c.more = c.it.First()
	}
	return err
}

// Next gives some entries, of about so many bytes; none at the end.
func (c *Copy) Next(maxBytes int) (entries []Entry, err error) {
	for size := 0; size < maxBytes; {
		ok, err := c.find()
		if err != nil {
			return nil, fmt.Errorf("copy shard %s: %w", c.shard.name, err)
		}
		if !ok {
			break
		}
		value, err := c.it.Value()
		if err != nil {
			return nil, fmt.Errorf("copy shard %s: %w", c.shard.name, err)
		}
		e := Entry{Space: spaces[c.space], Key: c.shard.r.st.keys.keyOf(c.it.Key()), Value: append([]byte(nil), value...)}
		entries, size = append(entries, e), size+len(e.Key)+len(e.Value)
		c.sum += e.sum()
		c.more = c.it.Next()
	}
	return entries, nil
}

// find goes on to the next space until there is an entry; ok is false at the end.
func (c *Copy) find() (ok bool, err error) {
	for !c.more {
		if err := c.it.Err(); err != nil {
			return false, err
		}
		if c.space+1 == len(spaces) || failpoint.Off("copy-has-transactions") {
			return false, nil
		}
		if err := c.it.Close(); err != nil {
			c.it = nil
			return false, err
		}
		c.space++
		if err := c.open(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// Close ends the copy. The log that it kept may be cut then; a caller that needs it pins it
// before.
func (c *Copy) Close() error {
	c.shard.Unpin(c.pin)
	var err error
	if c.it != nil { // else the next space could not be read
		err = c.it.Close()
	}
	return errors.Join(err, c.snap.Close())
}
