package locks

import (
	"context"
	"slices"
	"time"
)

// Key locks a key for o, and with it a share of the shard. It waits at most limit, and until ctx ends.
// It returns at once if o has the key, or the shard as a whole. Several goroutines may wait for one
// transaction.
//
// After an error o has what it had before, and perhaps the share of the shard: [ErrLong] if o is
// brief and would have to wait for a patient owner; [apierror.LockTimeout] after limit;
// [apierror.Deadlock] if the wait would have closed a cycle; [apierror.ResourceLimit] if too many
// wait already. The texts name the holders, and for how long they have held. Otherwise it is the cause
// of ctx, or what ended o.
func (s *Shard) Key(ctx context.Context, o *Owner, key string, limit time.Duration) error {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	st := o.stakeIn(s)
	if st == nil && o.ended == nil && s.sole == nil && s.queue.first == nil {
		st = s.join(o)
	}
	var held *keyLock
	if st != nil {
		if held = s.takeKey(st, key); held == nil {
			return nil
		}
	}
	return t.wait(ctx, &waiter{owner: o, shard: s, key: held, want: key}, t.now()+limit)
}

// Whole locks the shard as a whole: no other owner has a key or a share of it. Errors are those of Key. An
// owner that has a share already comes before all that wait.
func (s *Shard) Whole(ctx context.Context, o *Owner, limit time.Duration) error {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	st := o.stakeIn(s)
	switch {
	case o.ended != nil:
		return o.ended
	case s.freeFor(st, true) && (st != nil || s.queue.first == nil):
		s.grant(o, st, true)
		return nil
	}
	return t.wait(ctx, &waiter{owner: o, shard: s, whole: true}, t.now()+limit)
}

// Release takes everything from o at once, and hands it on. What its goroutines wait for ends with an error.
func (t *Table) Release(o *Owner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release(o, errReleased)
}

// release is Release; waits end with why. mu is held.
func (t *Table) release(o *Owner, why error) {
	waits := slices.Clone(o.waits)
	for _, w := range waits {
		end(w, why)
	}
	for st := o.stakes; st != nil; {
		s, other := st.shard, st.other
		for k := st.keys; k != nil; {
			next := k.next
			s.handOn(k)
			k = next
		}
		st.keys = nil
		s.leave(st)
		s.admit()
		st = other
	}
	o.stakes, o.seen = nil, 0 // it may be used with another table, which counts its searches by itself
	for _, w := range waits {
		w.shard.admit() // it may have kept out those behind it
	}
}
