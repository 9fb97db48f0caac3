package shard

import (
	"context"
	"errors"
	"fmt"

	"stasis/dbserver/engine"
)

// Check reads the whole shard and compares it with its meta; the error says what does not
// agree. It reads both as they were at one moment, and operations go on meanwhile.
func (s *Shard) Check(ctx context.Context) error {
	snap, m, in, err := moment(s)
	if err != nil {
		return fmt.Errorf("check shard %s: %w", s.name, err)
	}
	if err := errors.Join(s.r.st.check(ctx, snap, m, in), snap.Close()); err != nil {
		return fmt.Errorf("check shard %s: %w", s.name, err)
	}
	return nil
}

// moment is a snapshot of the engine with the meta and the area of documents that go with it.
func moment(s *Shard) (snap *engine.Snapshot, m meta, in area, err error) {
	if err := s.enter(); err != nil {
		return nil, m, in, err
	}
	defer s.content.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	snap, err = s.env.Engine.NewSnapshot()
	return snap, s.r.st.meta, s.r.st.area, err
}

// check compares documents and log with a meta.
func (st *storage) check(ctx context.Context, from engine.Reader, m meta, in area) error {
	if m.copying {
		return nil
	}
	count, newest := uint64(0), uint64(0)
	err := st.each(ctx, from, in, func(_ string, d *document) {
		count, newest = count+1, max(newest, d.time)
	})
	if err != nil {
		return err
	}
	if count != m.count || newest > m.revision {
		return fmt.Errorf("%d documents up to revision %d, but meta says %d and %d", count, newest, m.count, m.revision)
	}
	err = st.transactions(ctx, from, in, func(e Entry) error {
		newest, err := e.check()
		if err == nil && newest > m.revision {
			err = fmt.Errorf("it has written revision %d, but meta says %d", newest, m.revision)
		}
		return err
	})
	if err != nil {
		return err
	}
	return st.checkLog(from, m)
}

// transactions calls f for every transaction that is prepared or decided. f keeps nothing of the value.
func (st *storage) transactions(ctx context.Context, from engine.Reader, in area, f func(Entry) error) error {
	for _, s := range spaces[1:] {
		err := st.entries(from, s, in, func(key string, value []byte) error {
			if err := f(Entry{Space: s, Key: key, Value: value}); err != nil {
				return fmt.Errorf("transaction %x of space %c: %w", key, s, err)
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
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
func (st *storage) checkLog(from engine.Reader, m meta) (err error) {
	it, err := from.NewIter(st.keys.log(0), st.keys.of(kindLog+1, 0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	next := m.log.first
	for ok := it.First(); ok; ok = it.Next() {
		if seq := st.keys.seqOf(it.Key()); seq != next {
			return fmt.Errorf("log has record %d instead of %d", seq, next)
		}
		next++
	}
	if next != m.seq+1 {
		return fmt.Errorf("log ends at %d instead of %d", next-1, m.seq)
	}
	return nil
}

// Checksum is the same for two replicas with the same documents, revisions included, and the same transactions that are
// prepared or decided, and almost certainly differs for others. It is the sum modulo 2⁶⁴ of the first eight bytes of the
// SHA-256 of each key and stored document, and of each transaction likewise, so checksums of several shards add up.
// The state is the one of which it was taken.
func (s *Shard) Checksum(ctx context.Context) (sum uint64, st State, err error) {
	snap, m, in, err := moment(s)
	if err != nil {
		return 0, State{}, fmt.Errorf("checksum of shard %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	err = s.r.st.each(ctx, snap, in, func(key string, d *document) { sum += sumOf(key, d.encode()) })
	if err == nil {
		err = s.r.st.transactions(ctx, snap, in, func(e Entry) error { sum += e.sum(); return nil })
	}
	if err != nil {
		return 0, State{}, fmt.Errorf("checksum of shard %s: %w", s.name, err)
	}
	return sum, stateOf(m), nil
}
