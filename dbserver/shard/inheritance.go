package shard

import (
	"errors"
	"slices"
	"time"

	"stasis/dbserver/engine"
)

// inheritance is what a new leader finds of transactions, in the engine and in the log: what is prepared, also if a
// record of the tail resolves it, and what is decided.
func (st *storage) inheritance() (doubts []*doubt, decided map[TxnID]Decision, err error) {
	decided = map[TxnID]Decision{}
	now := time.Now()
	prepare := func(key string, value []byte) error {
		id, err := txnOf(key)
		if err != nil {
			return err
		}
		d, err := newDoubt(id, value)
		doubts = append(doubts, d)
		return err
	}
	decide := func(key string, value []byte) error {
		id, err := txnOf(key)
		if err != nil {
			return err
		}
		others, err := decodeOthers(value)
		decided[id] = Decision{ID: id, Others: others, Seen: now}
		return err
	}
	if err := st.entries(st.engine, PreparedTxns, st.area, prepare); err != nil {
		return nil, nil, err
	}
	if err := st.entries(st.engine, DecisionsMade, st.area, decide); err != nil {
		return nil, nil, err
	}
	for _, r := range st.tail {
		for _, c := range r.Changes {
			switch c.Kind {
			case Prepare:
				err = prepare(c.Key, c.Value)
			case Decided:
				err = decide(c.Key, c.Value)
			case Resolved:
				if i := slices.IndexFunc(doubts, func(d *doubt) bool { return keyOfTxn(d.id) == c.Key && d.resolved == 0 }); i >= 0 {
					doubts[i].resolve(r.Seq, c)
				}
			}
			if err != nil {
				return nil, nil, err
			}
		}
	}
	return doubts, decided, nil
}

// entries calls f for every entry of a space, in the order of their keys. f keeps nothing of the value.
func (st *storage) entries(from engine.Reader, s Space, in area, f func(key string, value []byte) error) (err error) {
	it, err := from.NewIter(st.keys.entries(s, in))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Err(), it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.Value()
		if err != nil {
			return err
		}
		if err := f(st.keys.keyOf(it.Key()), value); err != nil {
			return err
		}
	}
	return nil
}

// emptyArea adds to a batch that an area has nothing any more.
func (st *storage) emptyArea(b *engine.Batch, in area) error {
	for _, s := range spaces {
		if err := b.DeleteRange(st.keys.entries(s, in)); err != nil {
			return err
		}
	}
	return nil
}
