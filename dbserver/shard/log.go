package shard

import (
	"errors"
	"fmt"
)

// Log reads the records numbered from and later, of at most so many bytes but one at
// least, with the position before them. ok is false if the log no longer reaches
// back that far; then only a copy of the shard helps.
func (s *Shard) Log(from uint64, maxBytes int) (prev Position, records []Record, ok bool, err error) {
	if err := s.enter(); err != nil {
		return prev, nil, false, err
	}
	defer s.content.RUnlock()
	s.mu.Lock()
	tenure, known, err := s.tenureAt(from - 1)
	records, inTail := s.fromTail(from, maxBytes)
	s.mu.Unlock()
	prev = Position{Tenure: tenure, Seq: from - 1}
	if err != nil || !known || inTail {
		return prev, records, known && err == nil, err
	}
	if records, err = s.readLog(from, maxBytes); err != nil {
		return prev, nil, false, fmt.Errorf("log of shard %s: %w", s.name, err)
	}
	// Cut meanwhile, or taken back by another leader: then the tenure is not this one.
	return prev, records, len(records) > 0 && records[0].Seq == from, nil
}

// fromTail gives records that are not applied yet. Their values are shared, and
// never changed. mu is held.
func (s *Shard) fromTail(from uint64, maxBytes int) ([]Record, bool) {
	if from <= s.meta.committed && from <= s.meta.seq {
		return nil, false
	}
	if from > s.meta.seq {
		return nil, true
	}
	all := s.tail[from-s.meta.committed-1:]
	n, size := 0, 0
	for ; n < len(all) && (n == 0 || size < maxBytes); n++ {
		for _, c := range all[n].Changes {
			size += len(c.Key) + len(c.Value)
		}
	}
	return all[:n:n], true
}

// readLog reads consecutive records from the engine; the first may be missing.
func (s *Shard) readLog(from uint64, maxBytes int) (records []Record, err error) {
	it, err := s.env.Engine.NewIter(s.keys.log(from), s.keys.of(kindLog+1, 0))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	size := 0
	for more := it.First(); more && (len(records) == 0 || size < maxBytes); more = it.Next() {
		value, err := it.Value()
		if err != nil {
			return nil, err
		}
		r, err := DecodeRecord(s.keys.seqOf(it.Key()), append([]byte(nil), value...))
		if err != nil {
			return nil, err
		}
		if n := len(records); n > 0 && r.Seq != records[n-1].Seq+1 {
			return nil, fmt.Errorf("%w: record %d follows %d", errRecord, r.Seq, records[n-1].Seq)
		}
		records, size = append(records, r), size+len(value)
	}
	return records, nil
}
