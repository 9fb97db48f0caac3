package transaction

import (
	"context"
	"time"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
)

// Begin begins a transaction. 1203: a collection does not exist.
func (m *Manager) Begin(ctx context.Context, s Spec) (Status, error) {
	snap, spec, err := m.check(ctx, s)
	if err != nil {
		return Status{}, err
	}
	number := numberOf(snap, m.o.ID)
	if number == 0 {
		return Status{}, apierror.New(apierror.StartingUp, "this coordinator has no number in the agency yet, which the id of a transaction begins with: try again")
	}
	t := &Transaction{m: m, spec: spec, epoch: snap.Epoch, began: time.Now(), used: time.Now(), sync: spec.waitForSync}
	t.alive, t.end = context.WithCancelCause(m.ctx)
	if err := m.add(t, number); err != nil {
		t.end(err)
		return Status{}, err
	}
	return t.status(), nil
}

// check returns the declaration, and the snapshot that has its collections.
func (m *Manager) check(ctx context.Context, s Spec) (*catalog.Snapshot, declared, error) {
	d := declared{
		database: s.Database, access: map[string]Access{}, waitForSync: s.WaitForSync, implicit: s.Implicit,
		lockTimeout: m.o.Timing.LockTimeout, maxBytes: m.o.Limits.Bytes,
	}
	for _, access := range s.Collections {
		if access == Exclusive {
			d.lockTimeout = m.o.Timing.Exclusive
		}
	}
	if s.LockTimeout != nil {
		switch most := m.o.Timing.MaxLock.Seconds(); {
		case !(*s.LockTimeout >= 0 && *s.LockTimeout <= most): // also not a number
			return nil, d, apierror.New(apierror.BadParameter, "lockTimeout %v: want 0 to %v seconds; 0 means %v", *s.LockTimeout, most, most)
		case *s.LockTimeout == 0:
			d.lockTimeout = m.o.Timing.MaxLock
		default:
			d.lockTimeout = time.Duration(*s.LockTimeout * float64(time.Second))
		}
	}
	switch {
	case s.MaxBytes < 0 || s.MaxBytes > m.o.Limits.MaxBytes:
		return nil, d, apierror.New(apierror.BadParameter, "maxTransactionSize %d: want 1 to %d bytes", s.MaxBytes, m.o.Limits.MaxBytes)
	case s.MaxBytes > 0:
		d.maxBytes = s.MaxBytes
	}
	snap := m.o.Catalog.Cached()
	for name, access := range s.Collections {
		in, coll, err := m.o.Catalog.Collection(ctx, s.Database, name)
		if err != nil {
			return nil, d, err
		}
		if in.Index > snap.Index {
			snap = in
		}
		d.access[coll.ID] = max(d.access[coll.ID], access)
	}
	return snap, d, nil
}

// add gives a transaction its id and keeps it.
func (m *Manager) add(t *Transaction, number uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return apierror.New(apierror.ShuttingDown, "this coordinator is stopping: it begins no transaction")
	}
	if open := len(m.all) - len(m.finished); open >= m.o.Limits.Open {
		m.tally.refused++
		return apierror.New(apierror.ResourceLimit, "%d transactions are open at this coordinator, which are as many as it keeps: commit or abort some, and try again", open).WithStatus(503)
	}
	for t.id == 0 || m.all[t.id] != nil {
		t.id = newID(number)
	}
	t.held = newHoldings(t.id, t.spec.maxBytes)
	m.all[t.id] = t
	m.tally.begun++
	return nil
}
