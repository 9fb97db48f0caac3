package locks

import "slices"

// queueOf is where a waiter waits.
func queueOf(w *waiter) *queue {
	if w.key != nil {
		return &w.key.queue
	}
	return &w.shard.queue
}

// placeOf is the waiter before which a new one has its place in a queue; nil: at the end. One that wants more of
// what its owner has comes before those that have nothing. Goroutines of one owner stand together: what
// one of them is given, the others have. No waiter waits thereby for an owner that it did not wait for.
func (q *queue) placeOf(w *waiter) (before *waiter) {
	if w.key == nil && w.owner.stakeIn(w.shard) != nil {
		before = q.first
		for before != nil && before.owner.stakeIn(w.shard) != nil {
			before = before.next
		}
		return before
	}
	var own *waiter
	for _, other := range w.owner.waits {
		if other != w && queueOf(other) == q && (own == nil || other.whole) {
			own = other
		}
	}
	if own == nil {
		return nil
	}
	more := w.whole && !own.whole // those that share with own do not wait for it
	for before = own.next; before != nil && (before.owner == w.owner || more && !before.whole); {
		before = before.next
	}
	return before
}

// add puts a waiter into its queue.
func add(w *waiter) {
	q := queueOf(w)
	before := q.placeOf(w)
	if w.key != nil {
		w.key.holder.queued++
	}
	if before != nil {
		w.next, w.prev, before.prev = before, before.prev, w
	} else {
		w.next, w.prev, q.last = nil, q.last, w
	}
	if w.prev != nil {
		w.prev.next = w
	} else {
		q.first = w
	}
	q.n++
}

// take takes a waiter out of its queue.
func take(w *waiter) {
	q := queueOf(w)
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	q.n--
	if w.key != nil {
		w.key.holder.queued--
	}
}

// begin begins a wait.
func begin(w *waiter) {
	w.since, w.woken = w.shard.table.now(), make(chan struct{})
	add(w)
	for e := range w.edges {
		if e.stake != nil && e.stake.since == 0 {
			e.stake.since = w.since
		}
	}
	w.owner.waits = append(w.owner.waits, w)
	w.shard.table.waiting++
}

// end ends a wait. err nil: the owner has what it waited for.
func end(w *waiter, err error) {
	take(w)
	o := w.owner
	o.waits = slices.DeleteFunc(o.waits, func(other *waiter) bool { return other == w })
	w.shard.table.waiting--
	w.over, w.err = true, err
	close(w.woken)
}
