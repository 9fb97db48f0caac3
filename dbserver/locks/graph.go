package locks

// edge leads from a waiter to an owner that it waits for: to a holder, or to one that waits before it.
type edge struct {
	to    *Owner
	stake *stake  // of the holder
	ahead *waiter // before it
}

// edges are those of a waiter in its queue to other owners. Of those before it only the nearest are
// there that it has to wait for by themselves: these wait for the others.
func (w *waiter) edges(yield func(edge) bool) {
	if !w.holders(yield) {
		return
	}
	for other := w.prev; other != nil; other = other.prev {
		if other.owner == w.owner || w.key == nil && !w.whole && !other.whole {
			continue
		}
		if !yield(edge{to: other.owner, ahead: other}) || w.key != nil || other.whole {
			return
		}
	}
}

// holders are the edges to owners that have what a waiter waits for.
func (w *waiter) holders(yield func(edge) bool) (more bool) {
	switch s := w.shard; {
	case w.key != nil:
		return yield(edge{to: w.key.holder.owner, stake: w.key.holder})
	case !w.whole:
		return s.sole == nil || yield(edge{to: s.sole.owner, stake: s.sole})
	default:
		for st := s.stakes; st != nil; st = st.next {
			if st.owner != w.owner && !yield(edge{to: st.owner, stake: st}) {
				return false
			}
		}
		return true
	}
}

// step is an edge with the waiter that it begins at.
type step struct {
	from *waiter
	edge edge
}

// wanted says whether any other owner can wait for this one.
func (o *Owner) wanted() bool {
	for st := o.stakes; st != nil; st = st.other {
		if st.queued > 0 || st.shard.queue.first != nil {
			return true
		}
	}
	return len(o.waits) > 1 // another may wait behind a wait
}

// cycle is the way from a wait that has just begun back to its owner; nil if there is none.
func (t *Table) cycle(w *waiter) []step {
	if !w.owner.wanted() {
		return nil
	}
	t.search++
	return t.path(w, w.owner)
}

// path is a way from a waiter to an owner over owners that this search has not seen.
func (t *Table) path(w *waiter, to *Owner) []step {
	for e := range w.edges {
		here := step{from: w, edge: e}
		if e.to == to {
			return []step{here}
		}
		if e.to.seen == t.search {
			continue
		}
		e.to.seen = t.search
		for _, wait := range e.to.waits {
			if rest := t.path(wait, to); rest != nil {
				return append([]step{here}, rest...)
			}
		}
	}
	return nil
}
