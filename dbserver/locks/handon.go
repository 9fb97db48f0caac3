package locks

import "stasis/internal/failpoint"

// handOn gives a key to the first that waits for it. Its holder lets it go.
func (s *Shard) handOn(k *keyLock) {
	w := k.queue.first
	if failpoint.Off("locks-are-handed-on-in-order") {
		w = k.queue.last
	}
	if w == nil {
		s.free(k)
		return
	}
	st := w.owner.stakeIn(s)
	k.holder.queued -= k.queue.n
	st.queued += k.queue.n
	k.holder, k.since = st, s.table.now()
	if st.since == 0 {
		st.since = k.since
	}
	k.next, st.keys = st.keys, k
	for w := k.queue.first; w != nil; { // several goroutines may wait for one owner
		next := w.next
		if w.owner == st.owner {
			end(w, nil)
		}
		w = next
	}
}

// admit gives the shard to the first that wait for it, as far as it is free for them.
func (s *Shard) admit() {
	for w := s.queue.first; w != nil; w = s.queue.first {
		st := w.owner.stakeIn(s)
		if !s.freeFor(st, w.whole) {
			return
		}
		s.grant(w.owner, st, w.whole)
	}
}

// freeFor says whether an owner, whose stake is st (nil: none), can have a share of the shard, or the
// whole.
func (s *Shard) freeFor(st *stake, whole bool) bool {
	if st != nil && (!whole || s.sole == st) {
		return true
	}
	if whole && !failpoint.Off("whole-shard-is-exclusive") {
		return s.stakes == nil || s.stakes == st && st.next == nil
	}
	return s.sole == nil
}

// grant gives the shard to an owner, and to all of its goroutines that wait for that.
func (s *Shard) grant(o *Owner, st *stake, whole bool) {
	if st == nil {
		st = s.join(o)
	}
	if whole && s.sole != st {
		s.sole, st.since = st, s.table.now()
	}
	for w := s.queue.first; w != nil; {
		next := w.next
		switch {
		case w.owner != o:
		case st == s.sole:
			end(w, nil)
		case !w.whole:
			s.goOn(w, st)
		}
		w = next
	}
}

// goOn takes the key for a waiter that has got its share, or puts it into the queue of the key.
func (s *Shard) goOn(w *waiter, st *stake) {
	k := s.takeKey(st, w.want)
	if k == nil {
		end(w, nil)
		return
	}
	take(w)
	w.key = k
	add(w)
	if err := s.table.conflict(w); err != nil {
		end(w, err)
	}
}

// takeKey gives a key to an owner that has a stake in the shard, unless another has it: then it returns that.
func (s *Shard) takeKey(st *stake, key string) (held *keyLock) {
	if st == s.sole {
		return nil
	}
	switch k := s.find(key); {
	case k == nil, k.holder != st && failpoint.Off("key-has-one-holder"):
		s.lock(key, st)
		return nil
	case k.holder == st:
		return nil
	default:
		return k
	}
}
