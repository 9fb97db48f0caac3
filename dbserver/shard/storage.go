package shard

import (
	"errors"
	"slices"
	"sync/atomic"

	"stasis/dbserver/engine"
)

// storage is what one replica has in the engine, and what of it is in memory: meta, the
// records that are not applied yet, and where the documents are. The shard's mu is held while
// its methods run, unless they say otherwise, so that the order of batches is the order of
// numbers. It is never held for a sync.
type storage struct {
	name      string // of the shard
	engine    *engine.Engine
	keys      layout
	retention Retention

	meta      meta
	seq       atomic.Uint64 // meta.seq, for those who must not wait for the disk
	tail      []Record      // committed+1 … seq
	area      area          // that has the documents. Written with content and mu held, read with either
	pins      []*Pin        // in the order in which they were made
	certified Position      // the shard's at the cut that this replica was restored from; zero if from none
	broken    error         // a commit failed: memory and disk may differ
}

// storeMeta commits a change of meta alone.
func (st *storage) storeMeta(m meta, sync bool) error {
	b := st.engine.NewBatch()
	return st.store(b, m, sync)
}

// store commits a batch together with the meta that goes with it. After an error that is not a
// refusal the outcome is unknown, so memory may differ from the disk: from then on the
// storage takes nothing, until the shard is opened again.
func (st *storage) store(b *engine.Batch, m meta, sync bool) error {
	if st.broken != nil {
		return errors.Join(st.broken, b.Close())
	}
	if err := b.Set(st.keys.meta(), m.encode()); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := b.Commit(sync); err != nil {
		if !errors.Is(err, engine.ErrRefused) {
			st.broken = err
		}
		return err
	}
	st.meta = m
	st.seq.Store(m.seq)
	return nil
}

// Pin keeps the log from a number on, for a replica that will need it.
type Pin struct{ seq uint64 }

func (st *storage) pin(seq uint64) *Pin {
	p := &Pin{seq: seq}
	st.pins = append(st.pins, p)
	return p
}

func (st *storage) unpin(p *Pin) {
	st.pins = slices.DeleteFunc(st.pins, func(o *Pin) bool { return o == p })
}

// pinned is the first record that a pin keeps; without pins it is beyond the log.
func (st *storage) pinned() uint64 {
	first := st.meta.seq + 2
	for _, p := range st.pins {
		first = min(first, p.seq)
	}
	return first
}
