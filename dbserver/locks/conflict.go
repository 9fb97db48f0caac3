package locks

import "stasis/internal/failpoint"

// conflict is why a waiter, which is in its queue now, must not wait there; nil if it may.
func (t *Table) conflict(w *waiter) error {
	if !w.owner.Patient {
		for e := range w.edges {
			if e.to.Patient && !failpoint.Off("brief-waits-for-brief") {
				return ErrLong
			}
		}
	}
	if cycle := t.cycle(w); cycle != nil && !failpoint.Off("deadlock-is-found") {
		return t.deadlocked(cycle)
	}
	return nil
}
