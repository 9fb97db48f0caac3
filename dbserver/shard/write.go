package shard

import (
	"errors"
	"fmt"

	"stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
)

// Documents applies r's operations in order. Each is atomic and independent of
// the others: one that is refused has its error in its result. The error returned
// is trouble with the disk, or a shard that is gone: then what became of the
// operations is unknown. With WaitForSync all are on disk before it returns.
//
// The caller holds the server's gate if any operation writes.
func (s *Shard) Documents(r client.DocumentsRequest) ([]client.OpResult, error) {
	results := make([]client.OpResult, 0, len(r.Ops))
	wrote := false
	for _, op := range r.Ops {
		result, stored, err := s.apply(op, r)
		var refused *apierror.Error
		switch {
		case err == nil:
			wrote = wrote || op.Kind != client.OpRead
		case errors.As(err, &refused) && refused.Num != apierror.ShardGone && (refused.Num != apierror.NoSpace || errors.Is(err, engine.ErrRefused)):
			result = failed(op.Key, err, stored)
		default:
			return nil, fmt.Errorf("shard %s: %s %q: %w", s.name, op.Kind, op.Key, err)
		}
		results = append(results, result)
	}
	if wrote && r.WaitForSync {
		if err := s.env.Engine.SyncAll(); err != nil {
			return nil, fmt.Errorf("shard %s: sync: %w", s.name, err)
		}
	}
	return results, nil
}

// apply does one operation. stored is what it met, for the error's revision.
func (s *Shard) apply(op client.Op, r client.DocumentsRequest) (result client.OpResult, stored *document, err error) {
	body, err := checkOp(op)
	if err != nil {
		return result, nil, err
	}
	if err := s.enter(); err != nil {
		return result, nil, err
	}
	defer s.content.RUnlock()
	if op.Kind == client.OpRead {
		if stored, err = s.get(op.Key); err != nil {
			return result, nil, err
		}
		result, err = read(op, stored)
		return result, stored, err
	}
	lock := s.byKey.of(op.Key)
	lock.Lock()
	defer lock.Unlock()
	if stored, err = s.get(op.Key); err != nil {
		return result, nil, err
	}
	out, err := decide(op, body, stored)
	if err != nil {
		return result, stored, err
	}
	result, err = s.carryOut(op, r, out, stored)
	return result, stored, err
}

// carryOut commits an outcome and completes its result. The caller holds the key.
func (s *Shard) carryOut(op client.Op, r client.DocumentsRequest, out outcome, stored *document) (client.OpResult, error) {
	result := out.result
	if !out.writes() {
		return result, nil
	}
	time, err := s.env.Clock.next()
	if err != nil {
		return result, err
	}
	w := write{time: time}
	if out.put != nil {
		d, err := newDocument(op.Key, r.Collection, time, out.put)
		if err != nil {
			return result, err
		}
		w.change = Change{Kind: Put, Key: op.Key, Value: d.encode()}
		result.Rev = d.rev()
		if r.ReturnNew {
			result.New = d.json
		}
		if stored == nil {
			w.added = 1
		}
	} else {
		w.change, w.added = Change{Kind: Delete, Key: op.Key}, -1
	}
	if r.ReturnOld && stored != nil {
		result.Old = stored.json
	}
	return result, s.commit(w)
}

// get reads a stored document; nil if there is none.
func (s *Shard) get(key string) (*document, error) {
	value, found, err := s.env.Engine.Get(s.keys.document(key))
	if err != nil || !found {
		return nil, err
	}
	return decodeDocument(value)
}

// Truncate removes all documents, as one write. The caller holds the gate.
func (s *Shard) Truncate(sync bool) error {
	s.content.Lock()
	defer s.content.Unlock()
	if s.dropped {
		return s.gone()
	}
	time, err := s.env.Clock.next()
	if err != nil {
		return fmt.Errorf("shard %s: truncate: %w", s.name, err)
	}
	w := write{change: Change{Kind: Truncate}, added: -int64(s.snapshot().count), time: time}
	if err := s.commit(w); err != nil {
		return fmt.Errorf("shard %s: truncate: %w", s.name, err)
	}
	if sync {
		return s.env.Engine.SyncAll()
	}
	return nil
}

// write is a change about to be numbered.
type write struct {
	change Change
	added  int64  // documents
	time   uint64 // of the clock
}

// commit numbers a write and puts data, log and meta into the engine's log in one
// batch. The caller holds content, and the key if it is about one.
func (s *Shard) commit(w write) error {
	b := s.env.Engine.NewBatch()
	if err := s.addData(b, w.change); err != nil {
		return errors.Join(err, b.Close())
	}
	s.numbering.Lock()
	defer s.numbering.Unlock()
	if s.broken != nil {
		return errors.Join(s.broken, b.Close())
	}
	m := s.meta
	m.seq++
	m.count += uint64(w.added) // two's complement: subtracts
	m.revision = max(m.revision, w.time)
	if err := s.addNumbers(b, &m, w.change); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := b.Commit(false); err != nil {
		if !errors.Is(err, engine.ErrRefused) {
			s.broken = err
		}
		return err
	}
	s.meta = m
	return nil
}

func (s *Shard) addData(b *engine.Batch, c Change) error {
	switch c.Kind {
	case Put:
		return b.Set(s.keys.document(c.Key), c.Value)
	case Delete:
		return b.Delete(s.keys.document(c.Key))
	default:
		return b.DeleteRange(s.keys.documents(""))
	}
}

// addNumbers puts the log record and the new meta into the batch, and deletes
// what the log need not keep.
func (s *Shard) addNumbers(b *engine.Batch, m *meta, c Change) error {
	record := Record{Term: m.term, Seq: m.seq, Changes: []Change{c}}.encode()
	if err := b.Set(s.keys.log(m.seq), record); err != nil {
		return err
	}
	if from, to, cut := m.log.grow(m.seq, len(record), s.env.Retention); cut {
		if err := b.DeleteRange(s.keys.log(from), s.keys.log(to)); err != nil {
			return err
		}
	}
	return b.Set(s.keys.meta(), m.encode())
}
