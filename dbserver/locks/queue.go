package locks

import "slices"

// queueOf is where a waiter waits.
func queueOf(w *waiter) *queue {
	if w.key != nil {
		return &w.key.queue
	}
	return &w.shard.queue
}

// add puts a waiter at the end of its queue, or before those that wait for more than they have.
func add(w *waiter) {
	q, before := queueOf(w), (*waiter)(nil)
	if w.key != nil {
		w.key.holder.queued++
	} else if w.owner.stakeIn(w.shard) != nil {
		before = q.first
		for before != nil && before.owner.stakeIn(w.shard) != nil {
			before = before.next
		}
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
