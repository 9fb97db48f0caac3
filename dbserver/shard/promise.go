package shard

import (
	"fmt"

	"stasis/dbserver/engine"
	"stasis/internal/failpoint"
)

// Promise refuses, from now on, everything of tenures before t, and says where this
// replica stands. [ErrOldTenure] if a later one has been promised already; the state
// says which. A promise that has been made is on disk.
func (s *Shard) Promise(t Tenure) (State, error) {
	if err := answers(s.name, s.env.Engine, false); err != nil {
		return State{}, err
	}
	s.content.RLock()
	defer s.content.RUnlock()
	if s.dropped {
		return State{}, gone(s.name)
	}
	s.mu.Lock()
	err := s.r.promise(t)
	m := s.r.st.meta
	s.mu.Unlock()
	if err == nil && !failpoint.Off("promise-on-disk") {
		err = s.env.Engine.SyncAll()
	}
	return stateOf(m), err
}

// Overrule is Promise, but for one promise that is on disk and that no tenure can have
// asked for: the caller has found that Plan never had it. What the log has of tenures
// after t, and is not committed, goes with it.
func (s *Shard) Overrule(bogus, t Tenure) (State, error) {
	s.content.RLock()
	defer s.content.RUnlock()
	if s.dropped {
		return State{}, gone(s.name)
	}
	s.mu.Lock()
	var err error
	if s.r.st.meta.promised == bogus && t.Compare(bogus) < 0 {
		err = s.r.overrule(t)
	} else {
		err = s.r.promise(t)
	}
	m := s.r.st.meta
	s.mu.Unlock()
	if err == nil {
		err = s.env.Engine.SyncAll()
	}
	return stateOf(m), err
}

// answers is nil if a leader may count on a replica in this engine, or (writes) even write to
// it. A replica whose disk hangs must be silent to its leader, so that it leaves the in-sync
// set.
func answers(name string, e *engine.Engine, writes bool) error {
	err := e.Alive()
	if err == nil && writes {
		err = e.Admit()
	}
	if err != nil {
		return fmt.Errorf("shard %s: %w", name, err)
	}
	return nil
}
