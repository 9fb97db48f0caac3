package locks

import "fmt"

// Heir is an owner with what it is given of a shard.
type Heir struct {
	Owner *Owner // patient; it has nothing in the shard, and waits for nothing
	Keys  []string
	Whole bool // the shard as a whole; Keys are not needed then
}

// Bequeath takes the shard from all that have something of it or wait for it, and gives heirs what they are to
// have, all at once. The waits end with why. It waits for nothing. Two heirs of one thing are an error: then nothing has changed.
//
// It is for a new leader of the shard: owners of an earlier leadership can do nothing with what they have.
func (s *Shard) Bequeath(why error, heirs []Heir) error {
	if err := disjoint(s.name, heirs); err != nil {
		return err
	}
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	for s.queue.first != nil {
		end(s.queue.first, why)
	}
	for st := s.stakes; st != nil; {
		next := st.next
		s.evict(st, why)
		st = next
	}
	for _, h := range heirs {
		if !h.Whole && len(h.Keys) == 0 {
			continue
		}
		st := s.join(h.Owner)
		if h.Whole {
			s.sole = st
			continue
		}
		for _, key := range h.Keys {
			s.lock(key, st)
		}
	}
	return nil
}

// evict takes its stake from an owner, and ends the waits for its keys.
func (s *Shard) evict(st *stake, why error) {
	for k := st.keys; k != nil; {
		next := k.next
		for k.queue.first != nil {
			end(k.queue.first, why)
		}
		s.free(k)
		k = next
	}
	st.keys = nil
	at := &st.owner.stakes
	for *at != st {
		at = &(*at).other
	}
	*at = st.other
	s.leave(st)
}

// disjoint is an error if two heirs are to have the same.
func disjoint(shard string, heirs []Heir) error {
	having, whole := 0, false
	keys := map[string]*Owner{}
	for _, h := range heirs {
		if h.Whole || len(h.Keys) > 0 {
			having++
		}
		whole = whole || h.Whole
		for _, key := range h.Keys {
			if _, twice := keys[key]; twice {
				return fmt.Errorf("locks of shard %s: two owners are to have key %q", shard, key)
			}
			keys[key] = h.Owner
		}
	}
	if whole && having > 1 {
		return fmt.Errorf("locks of shard %s: one of %d owners is to have it as a whole", shard, having)
	}
	return nil
}
