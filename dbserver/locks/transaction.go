package locks

import "time"

// Transaction makes the owner of a transaction, which is patient. coordinator and begun are for messages; they may be
// empty.
func Transaction(id, coordinator string, begun time.Time) *Owner {
	return &Owner{Patient: true, tx: &transaction{id: id, coordinator: coordinator, begun: begun}}
}

// End releases everything of an owner for good: what its goroutines wait for, and what they ask for later, ends
// with why.
func (t *Table) End(o *Owner, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.ended = why
	t.release(o, why)
}
