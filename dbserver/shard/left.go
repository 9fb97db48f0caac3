package shard

import (
	"cmp"
	"slices"
)

// Left are the decisions that a replica has applied and that nobody has forgotten, whether it leads or not, in the order of their
// ids: for a shard that has been dropped. Seen is zero.
func (x Transactions) Left() (all []Decision, err error) {
	s := x.s
	s.content.RLock()
	defer s.content.RUnlock()
	if s.dropped {
		return nil, gone(s.name)
	}
	s.mu.Lock()
	in := s.r.st.area
	s.mu.Unlock()
	err = s.r.st.entries(s.env.Engine, DecisionsMade, in, func(key string, value []byte) error {
		id, err := txnOf(key)
		if err != nil {
			return err
		}
		others, err := decodeOthers(value)
		all = append(all, Decision{ID: id, Others: others})
		return err
	})
	slices.SortFunc(all, func(a, b Decision) int { return cmp.Compare(a.ID, b.ID) })
	return all, err
}
