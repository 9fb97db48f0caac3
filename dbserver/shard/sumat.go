package shard

import (
	"context"
	"fmt"

	"stasis/dbserver/engine"
)

// SumAt gives the checksum and the number of the documents that a replica has when its log is applied up to seq.
// The checksum is that of [Shard.Checksum], so replicas that stand at different records can be compared at one. Nothing
// changes in the engine, which may be open for reading only. [ErrNoShard]: the engine does not have the shard.
// [ErrUncertified]: the replica has applied more, or its log ends before.
func SumAt(ctx context.Context, e *engine.Engine, name string, seq uint64) (sum, count uint64, err error) {
	s, err := Open(Env{Engine: e}, name)
	if err != nil {
		return 0, 0, err
	}
	st := s.r.st
	if m := st.meta; m.copying || seq < m.committed || seq > m.seq {
		return 0, 0, fmt.Errorf("shard %s at record %d: %w: its log ends at %s, applied up to %d, copying: %v", name, seq, ErrUncertified, m.position(), m.committed, m.copying)
	}
	later, emptied, err := afterwards(st.tail[:seq-st.meta.committed])
	if err != nil {
		return 0, 0, fmt.Errorf("shard %s at record %d: %w", name, seq, err)
	}
	add := func(key string, d *document) { sum, count = sum+sumOf(key, d.encode()), count+1 }
	if !emptied {
		err = st.each(ctx, e, st.area, func(key string, d *document) {
			if _, changed := later[key]; !changed {
				add(key, d)
			}
		})
	}
	for key, d := range later {
		if d != nil {
			add(key, d)
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("shard %s at record %d: %w", name, seq, err)
	}
	return sum, count, nil
}

// afterwards gives what records leave of the documents that they change, nil for one that they remove. emptied says that
// nothing is left of what was there before.
func afterwards(records []Record) (later map[string]*document, emptied bool, err error) {
	later = map[string]*document{}
	for _, r := range records {
		for _, c := range r.Changes {
			switch c.Kind {
			case Put:
				if later[c.Key], err = decodeDocument(c.Value); err != nil {
					return nil, false, fmt.Errorf("%w: seq %d: %w", errRecord, r.Seq, err)
				}
			case Delete:
				later[c.Key] = nil
			default:
				emptied = true
				clear(later)
			}
		}
	}
	return later, emptied, nil
}
