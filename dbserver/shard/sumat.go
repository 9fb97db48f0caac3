package shard

import (
	"context"
	"fmt"
	"maps"

	"stasis/dbserver/engine"
)

// SumAt gives the checksum of what a replica has when its log is applied up to seq, and the number of its documents.
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
	later, emptied := afterwards(st.tail[:seq-st.meta.committed])
	add := func(e Entry) {
		sum += e.sum()
		if e.Space == Documents {
			count++
		}
	}
	addUnchanged := func(e Entry) {
		if _, changed := later[place{e.Space, e.Key}]; !changed {
			add(e)
		}
	}
	if !emptied {
		err = st.each(ctx, e, st.area, func(key string, d *document) { addUnchanged(Entry{Documents, key, d.encode()}) })
	}
	if err == nil {
		err = st.transactions(ctx, e, st.area, func(e Entry) error { addUnchanged(e); return nil })
	}
	if err != nil {
		return 0, 0, fmt.Errorf("shard %s at record %d: %w", name, seq, err)
	}
	for at, value := range later {
		if value != nil {
			add(Entry{at.space, at.key, value})
		}
	}
	return sum, count, nil
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
