package shard

import (
	"context"
	"errors"
	"fmt"

	"stasis/dbserver/client"
)

const (
	defaultPage  = 1000
	maxPageBytes = 16 << 20 // of documents; a page has at least one
)

// Scan reads a page of documents in key order, as they are at one moment.
func (s *Shard) Scan(ctx context.Context, r client.ScanRequest) (page client.ScanResponse, err error) {
	if err := s.enter(); err != nil {
		return page, err
	}
	defer s.content.RUnlock()
	limit := r.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	it, err := s.env.Engine.NewIter(s.keys.documents(r.After))
	if err != nil {
		return page, fmt.Errorf("scan shard %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok, bytes := it.First(), 0; ok; ok = it.Next() {
		if len(page.Documents) == limit || bytes >= maxPageBytes {
			page.More = true
			return page, nil
		}
		value, err := it.Value()
		if err != nil {
			return page, fmt.Errorf("scan shard %s: %w", s.name, err)
		}
		d, err := decodeDocument(append([]byte(nil), value...))
		if err != nil {
			return page, fmt.Errorf("scan shard %s: key %q: %w", s.name, s.keys.keyOf(it.Key()), err)
		}
		page.Documents = append(page.Documents, d.json)
		page.LastKey = s.keys.keyOf(it.Key())
		bytes += len(d.json)
		if err := ctx.Err(); err != nil {
			return page, fmt.Errorf("scan shard %s: %w", s.name, err)
		}
	}
	return page, it.Err()
}

// Log reads the records numbered from and later, at most n. ok is false if the
// log no longer reaches back that far; then only a copy of the shard helps.
func (s *Shard) Log(from uint64, n int) (records []Record, ok bool, err error) {
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.content.RUnlock()
	if from < s.snapshot().log.first {
		return nil, false, nil
	}
	it, err := s.env.Engine.NewIter(s.keys.log(from), s.keys.of(kindLog+1, 0))
	if err != nil {
		return nil, false, fmt.Errorf("log of shard %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	next := from
	for more := it.First(); more && len(records) < n; more = it.Next() {
		value, err := it.Value()
		if err != nil {
			return nil, false, fmt.Errorf("log of shard %s: %w", s.name, err)
		}
		r, err := decodeRecord(s.keys.seqOf(it.Key()), value)
		if err != nil {
			return nil, false, fmt.Errorf("log of shard %s: %w", s.name, err)
		}
		if r.Seq != next {
			return nil, false, nil // deleted meanwhile
		}
		records, next = append(records, r), next+1
	}
	return records, true, it.Err()
}

// Check reads the whole shard and compares it with its meta; the error says
// what does not agree. Writers are kept out meanwhile.
func (s *Shard) Check(ctx context.Context) error {
	s.content.Lock()
	defer s.content.Unlock()
	if s.dropped {
		return s.gone()
	}
	m := s.snapshot()
	count, newest, err := s.recount(ctx)
	if err != nil {
		return fmt.Errorf("check shard %s: %w", s.name, err)
	}
	if count != m.count || newest > m.revision {
		return fmt.Errorf("check shard %s: %d documents up to revision %d, but meta says %d and %d", s.name, count, newest, m.count, m.revision)
	}
	return s.checkLog(m)
}

func (s *Shard) recount(ctx context.Context) (count, newest uint64, err error) {
	it, err := s.env.Engine.NewIter(s.keys.documents(""))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		value, err := it.Value()
		if err != nil {
			return 0, 0, err
		}
		d, err := decodeDocument(value)
		if err != nil {
			return 0, 0, fmt.Errorf("key %q: %w", s.keys.keyOf(it.Key()), err)
		}
		count, newest = count+1, max(newest, d.time)
	}
	return count, newest, nil
}

// checkLog finds whether the log has every record that meta says it keeps, and no other.
func (s *Shard) checkLog(m meta) (err error) {
	it, err := s.env.Engine.NewIter(s.keys.log(0), s.keys.of(kindLog+1, 0))
	if err != nil {
		return fmt.Errorf("check shard %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	next := m.log.first
	for ok := it.First(); ok; ok = it.Next() {
		if seq := s.keys.seqOf(it.Key()); seq != next {
			return fmt.Errorf("check shard %s: log has record %d instead of %d", s.name, seq, next)
		}
		next++
	}
	if next != m.seq+1 {
		return fmt.Errorf("check shard %s: log ends at %d instead of %d", s.name, next-1, m.seq)
	}
	return nil
}
