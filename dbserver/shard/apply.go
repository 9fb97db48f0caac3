package shard

import (
	"errors"
	"fmt"

	"stasis/dbserver/engine"
	"stasis/internal/apierror"
)

// apply brings the documents to record seq, in one batch, and returns the records that it has
// applied.
func (st *storage) apply(seq uint64) ([]Record, error) {
	n := int(seq) - int(st.meta.committed)
	if n <= 0 {
		return nil, nil
	}
	m := st.meta
	b := st.engine.NewBatch()
	for _, r := range st.tail[:n] {
		if err := st.addData(b, &m, r); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	if err := st.store(b, m, false); err != nil {
		return nil, fmt.Errorf("shard %s: apply up to %d: %w", st.name, seq, err)
	}
	return st.applied(n), nil
}

// applied takes n records from the tail.
func (st *storage) applied(n int) []Record {
	done := st.tail[:n]
	st.tail = st.tail[n:]
	if len(st.tail) == 0 {
		st.tail = nil // the array that it is part of can be freed
	}
	return done
}

// addData adds what a record does to documents, transactions and counters.
func (st *storage) addData(b *engine.Batch, m *meta, r Record) error {
	for _, c := range r.Changes {
		var err error
		switch e := effectOf(c); {
		case e.all:
			m.count = 0
			err = b.DeleteRange(st.keys.entries(e.space, st.area))
		case e.value != nil:
			err = b.Set(st.keys.entry(e.space, st.area, e.key), e.value)
		default:
			err = b.Delete(st.keys.entry(e.space, st.area, e.key))
		}
		if err != nil {
			return err
		}
	}
	if r.Added < 0 && m.count < uint64(-r.Added) {
		return apierror.New(apierror.BadParameter, "%w: seq %d takes away %d documents of %d", errRecord, r.Seq, -r.Added, m.count)
	}
	m.committed = r.Seq
	m.count += uint64(r.Added) // two's complement: subtracts
	m.revision = max(m.revision, r.Time)
	return nil
}

// addRecord adds a record to the log, and deletes what the log need not keep.
func (st *storage) addRecord(b *engine.Batch, m *meta, r Record) error {
	encoded := r.Encode()
	if err := b.Set(st.keys.log(r.Seq), encoded); err != nil {
		return err
	}
	m.last, m.seq = r.Tenure, r.Seq
	if from, to, cut := m.log.grow(r.position(), len(encoded), st.retention, m.committed, st.pinned()); cut {
		return b.DeleteRange(st.keys.log(from), st.keys.log(to))
	}
	return nil
}

// takeBack adds to a batch that the records after seq are removed from the log. They must not
// be committed. It returns the tail that is left.
func (st *storage) takeBack(b *engine.Batch, m *meta, seq uint64) ([]Record, error) {
	if seq < m.committed {
		return nil, apierror.New(apierror.BadParameter, "shard %s: record %d is committed here and contradicted by the leader", st.name, seq+1)
	}
	tenure, known, err := st.tenureAt(seq)
	if err != nil || !known {
		return nil, errors.Join(err, fmt.Errorf("shard %s: record %d: %w", st.name, seq, errRecord))
	}
	if err := b.DeleteRange(st.keys.log(seq+1), st.keys.log(m.seq+1)); err != nil {
		return nil, err
	}
	m.last, m.seq = tenure, seq
	m.log.cutBack(m.position())
	return st.tail[:seq-m.committed], nil
}
