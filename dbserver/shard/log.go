package shard

import (
	"errors"
	"fmt"
)

// fromTail gives records that are not applied yet. Their values are shared, and
// never changed.
func (st *storage) fromTail(from uint64, maxBytes int) ([]Record, bool) {
	if from <= st.meta.committed && from <= st.meta.seq {
		return nil, false
	}
	if from > st.meta.seq {
		return nil, true
	}
	all := st.tail[from-st.meta.committed-1:]
	n, size := 0, 0
	for ; n < len(all) && (n == 0 || size < maxBytes); n++ {
		for _, c := range all[n].Changes {
			size += len(c.Key) + len(c.Value)
		}
	}
	return all[:n:n], true
}

// readLog reads consecutive records from the engine; the first may be missing.
func (st *storage) readLog(from uint64, maxBytes int) (records []Record, err error) {
	it, err := st.engine.NewIter(st.keys.log(from), st.keys.of(kindLog+1, 0))
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
		r, err := DecodeRecord(st.keys.seqOf(it.Key()), append([]byte(nil), value...))
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

// has says whether the log has a record, or had it before it was cut.
func (st *storage) has(p Position) (bool, error) {
	if p.Seq > st.meta.seq {
		return false, nil
	}
	tenure, known, err := st.tenureAt(p.Seq)
	return known && tenure == p.Tenure, err
}

// tenureAt is the tenure of a record; known is false if the log no longer reaches
// back to it.
func (st *storage) tenureAt(seq uint64) (t Tenure, known bool, err error) {
	m := &st.meta
	switch {
	case seq == m.seq:
		return m.last, true, nil
	case seq > m.seq || seq+1 < m.log.first:
		return Tenure{}, false, nil
	case seq > m.committed:
		return st.tail[seq-m.committed-1].Tenure, true, nil
	case seq+1 == m.log.first:
		return m.log.beforeFirst, true, nil
	}
	value, found, err := st.engine.Get(st.keys.log(seq))
	if err != nil || !found {
		return Tenure{}, false, err
	}
	r, err := DecodeRecord(seq, value)
	return r.Tenure, err == nil, err
}

// get reads a committed document; nil if there is none. content is held, not mu.
func (st *storage) get(key string) (*document, error) {
	value, found, err := st.engine.Get(st.keys.document(st.area, key))
	if err != nil || !found {
		return nil, err
	}
	return decodeDocument(value)
}

// hasAside says whether there is something in the area that does not have the documents.
func (st *storage) hasAside() (found bool, err error) {
	for _, s := range spaces {
		it, err := st.engine.NewIter(st.keys.entries(s, st.area.other()))
		if err != nil {
			return false, err
		}
		found := it.First()
		if err := errors.Join(it.Err(), it.Close()); err != nil || found {
			return found, err
		}
	}
	return false, nil
}
