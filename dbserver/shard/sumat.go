package shard

import (
	"context"
	"fmt"
	"maps"

	"stasis/dbserver/engine"
)

// Summary is what a replica has at a record of its log.
type Summary struct {
	Sum       uint64 // as of [Shard.Checksum]
	Documents uint64
	// Prepared are the transactions that are prepared and not resolved, each with the number of documents that it adds if it
	// is committed. Decided are those that are, with this shard as their home, and not forgotten.
	Prepared map[TxnID]int64
	Decided  []TxnID // in no order
}

// SumAt gives what a replica has when its log is applied up to seq. Replicas that stand at different records can be compared
// at one so. Nothing changes in the engine, which may be open for reading only. [ErrNoShard]: the engine does not have the shard.
// [ErrUncertified]: the replica has applied more, or its log ends before.
func SumAt(ctx context.Context, e *engine.Engine, name string, seq uint64) (Summary, error) {
	s, err := Open(Env{Engine: e}, name)
	if err != nil {
		return Summary{}, err
	}
	st := s.r.st
	if m := st.meta; m.copying || seq < m.committed || seq > m.seq {
		return Summary{}, fmt.Errorf("shard %s at record %d: %w: its log ends at %s, applied up to %d, copying: %v", name, seq, ErrUncertified, m.position(), m.committed, m.copying)
	}
	later, emptied := afterwards(st.tail[:seq-st.meta.committed])
	sum := Summary{Prepared: map[TxnID]int64{}}
	addUnchanged := func(e Entry) error {
		if _, changed := later[place{e.Space, e.Key}]; changed {
			return nil
		}
		return sum.add(e)
	}
	if !emptied {
		err = st.each(ctx, e, st.area, func(key string, d *document) { _ = addUnchanged(Entry{Documents, key, d.encode()}) }) // fails for none
	}
	if err == nil {
		err = st.transactions(ctx, e, st.area, addUnchanged)
	}
	for at, value := range later {
		if value != nil && err == nil {
			err = sum.add(Entry{at.space, at.key, value})
		}
	}
	if err != nil {
		return Summary{}, fmt.Errorf("shard %s at record %d: %w", name, seq, err)
	}
	return sum, nil
}

// add adds an entry. It fails for transactions that cannot be read.
func (s *Summary) add(e Entry) error {
	s.Sum += e.sum()
	if e.Space == Documents {
		s.Documents++
		return nil
	}
	id, err := txnOf(e.Key)
	if err != nil {
		return err
	}
	if e.Space == DecisionsMade {
		s.Decided = append(s.Decided, id)
		return nil
	}
	p, err := decodePrepared(e.Value)
	if err != nil {
		return fmt.Errorf("transaction %s: %w", id, err)
	}
	s.Prepared[id] = p.added
	return nil
}

// place is where an entry is.
type place struct {
	space Space
	key   string
}

// afterwards gives what records leave of the entries that they change, nil for one that they remove. emptied says that
// nothing is left of the documents that were there before.
func afterwards(records []Record) (later map[place][]byte, emptied bool) {
	later = map[place][]byte{}
	for _, r := range records {
		for _, c := range r.Changes {
			e := effectOf(c)
			if !e.all {
				later[place{e.space, e.key}] = e.value
				continue
			}
			emptied = true
			maps.DeleteFunc(later, func(p place, _ []byte) bool { return p.space == e.space })
		}
	}
	return later, emptied
}
