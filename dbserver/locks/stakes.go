package locks

// maxSpares bounds the entries of keys that are kept to be used again. roomy is how many keys at once make
// the map of a shard so large that it is not kept.
const (
	maxSpares = 256
	roomy     = 4096
)

// stakeIn is what the owner has in a shard; nil if nothing.
func (o *Owner) stakeIn(s *Shard) *stake {
	for st := o.stakes; st != nil; st = st.other {
		if st.shard == s {
			return st
		}
	}
	return nil
}

// join gives an owner a share of the shard.
func (s *Shard) join(o *Owner) *stake {
	st := &o.first
	if st.shard != nil {
		st = &stake{}
	}
	st.owner, st.shard = o, s
	if o.tx != nil {
		st.since = s.table.now()
	}
	st.other, o.stakes = o.stakes, st
	if s.stakes == nil {
		s.appear()
	} else {
		st.next, s.stakes.prev = s.stakes, st
	}
	s.stakes = st
	return st
}

// leave ends a stake; its keys have been handed on.
func (s *Shard) leave(st *stake) {
	if st.next != nil {
		st.next.prev = st.prev
	}
	if st.prev != nil {
		st.prev.next = st.next
	} else {
		s.stakes = st.next
	}
	if s.sole == st {
		s.sole = nil
	}
	st.shard, st.since, st.next, st.prev, st.other = nil, 0, nil, nil, nil
	if s.stakes == nil {
		s.vanish()
	}
}

// appear and vanish keep the table's list of shards that have stakes.
func (s *Shard) appear() {
	t := s.table
	if s.next = t.busy; s.next != nil {
		s.next.prev = s
	}
	t.busy = s
}

func (s *Shard) vanish() {
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		s.table.busy = s.next
	}
	s.next, s.prev = nil, nil
	if s.most > roomy { // a map does not shrink
		s.keys, s.most = map[string]*keyLock{}, 0
	}
}

// lock gives a free key to a stake.
func (s *Shard) lock(key string, st *stake) {
	t := s.table
	k := t.spare
	if k == nil {
		k = &keyLock{}
	} else {
		t.spare = k.next
		t.spares--
	}
	k.key, k.holder = key, st
	if st.owner.tx != nil {
		k.since = t.now()
	}
	k.next, st.keys = st.keys, k
	if s.first == nil {
		s.first = k
		return
	}
	s.keys[key] = k
	s.most = max(s.most, len(s.keys))
}

// find is a key that is held; nil if it is free.
func (s *Shard) find(key string) *keyLock {
	if k := s.first; k != nil && k.key == key {
		return k
	}
	return s.keys[key]
}

// free takes a key that has no holder out of the shard.
func (s *Shard) free(k *keyLock) {
	if s.first == k {
		s.first = nil
	} else {
		delete(s.keys, k.key)
	}
	k.key, k.holder, k.since = "", nil, 0
	if t := s.table; t.spares < maxSpares {
		k.next, t.spare = t.spare, k
		t.spares++
	}
}
