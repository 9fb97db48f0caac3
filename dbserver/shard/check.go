package shard

import (
	"context"
	"errors"
	"fmt"

	"stasis/dbserver/engine"
)

// Check reads the whole shard and compares it with its meta; the error says what does not
// agree. It keeps operations out meanwhile.
func (s *Shard) Check(ctx context.Context) error {
	s.content.Lock()
	defer s.content.Unlock()
	if s.dropped {
		return gone(s.name)
	}
	s.mu.Lock()
	m := s.r.st.meta
	s.mu.Unlock()
	if m.copying {
		return nil
	}
	count, newest := uint64(0), uint64(0)
	err := s.r.st.each(ctx, s.env.Engine, s.r.st.area, func(_ string, d *document) {
		count, newest = count+1, max(newest, d.time)
	})
	if err != nil {
		return fmt.Errorf("check shard %s: %w", s.name, err)
	}
	if count != m.count || newest > m.revision {
		return fmt.Errorf("check shard %s: %d documents up to revision %d, but meta says %d and %d", s.name, count, newest, m.count, m.revision)
	}
	return s.r.st.checkLog(m)
}

// each calls f for every document of an area.
func (st *storage) each(ctx context.Context, from engine.Reader, in area, f func(key string, d *document)) (err error) {
	it, err := from.NewIter(st.keys.documents(in, ""))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		value, err := it.Value()
		if err != nil {
			return err
		}
		d, err := decodeDocument(value)
		if err != nil {
			return fmt.Errorf("key %q: %w", st.keys.keyOf(it.Key()), err)
		}
		f(st.keys.keyOf(it.Key()), d)
	}
	return nil
}

// checkLog finds whether the log has every record that meta says it keeps, and no other.
func (st *storage) checkLog(m meta) (err error) {
	it, err := st.engine.NewIter(st.keys.log(0), st.keys.of(kindLog+1, 0))
	if err != nil {
		return fmt.Errorf("check shard %s: %w", st.name, err)
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	next := m.log.first
	for ok := it.First(); ok; ok = it.Next() {
		if seq := st.keys.seqOf(it.Key()); seq != next {
			return fmt.Errorf("check shard %s: log has record %d instead of %d", st.name, seq, next)
		}
		next++
	}
	if next != m.seq+1 {
		return fmt.Errorf("check shard %s: log ends at %d instead of %d", st.name, next-1, m.seq)
	}
	return nil
}

// Checksum is the same for two replicas with the same documents, revisions included, and almost
// certainly differs for others. It is the sum modulo 2⁶⁴ of the first eight bytes of the
// SHA-256 of each key and stored document, so checksums of several shards add up. The state is
// the one of which it was taken.
func (s *Shard) Checksum(ctx context.Context) (sum uint64, st State, err error) {
	if err := s.enter(); err != nil {
		return 0, State{}, err
	}
	s.mu.Lock()
	m, in := s.r.st.meta, s.r.st.area
	snap, err := s.env.Engine.NewSnapshot()
	s.mu.Unlock()
	s.content.RUnlock() // the snapshot does not change
	if err != nil {
		return 0, State{}, fmt.Errorf("checksum of shard %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	err = s.r.st.each(ctx, snap, in, func(key string, d *document) { sum += sumOf(key, d.encode()) })
	if err != nil {
		return 0, State{}, fmt.Errorf("checksum of shard %s: %w", s.name, err)
	}
	return sum, stateOf(m), nil
}
