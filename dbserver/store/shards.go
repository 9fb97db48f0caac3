package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"stasis/dbserver/shard"
)

// Names are the shards here, sorted.
func (s *Store) Names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.replicas))
}

// Create makes a shard unless it is here.
func (s *Store) Create(name string) error {
	made, err := shard.Create(s.env, name)
	if err != nil {
		return fmt.Errorf("create shard %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replicas[name] == nil {
		s.host(made)
	}
	return nil
}

// Drop removes a shard with all its documents. Requests in flight on it finish first. After
// an error requests do not reach the shard any more, and it can be dropped again.
func (s *Store) Drop(name string) error {
	s.mu.RLock()
	r := s.replicas[name]
	s.mu.RUnlock()
	if r == nil {
		return nil
	}
	s.lead(name, nil)
	if err := r.Shard.Drop(); err != nil {
		return err // it stays listed, so that it is dropped again
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.replicas, name)
	return nil
}

// SetAside keeps a shard that is to be dropped from all requests. needed says that it has decided transactions which other shards
// have prepared: it must not be dropped before LetGo.
func (s *Store) SetAside(name string) (needed bool, err error) {
	s.lead(name, nil)
	s.mu.Lock()
	r := s.replicas[name]
	if r != nil {
		r.aside = true
	}
	s.mu.Unlock()
	if r == nil {
		return false, nil
	}
	left, err := r.Shard.Transactions().Left()
	return slices.ContainsFunc(left, func(d shard.Decision) bool { return len(d.Others) > 0 }), err
}

// LetGo says that nobody needs a shard any more that was set aside.
func (s *Store) LetGo(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.replicas[name]; r != nil && r.aside {
		r.needless = true
	}
}

// Needless says whether LetGo was called for a shard.
func (s *Store) Needless(name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.replicas[name]
	return r == nil || r.needless
}

// Aside are the shards that are set aside and needed.
func (s *Store) Aside() []*shard.Shard {
	var all []*shard.Shard
	for _, r := range s.all() {
		if r.aside && !r.needless {
			all = append(all, r.Shard)
		}
	}
	return all
}

// AsideShard is a shard that is set aside; nil if it is not.
func (s *Store) AsideShard(name string) *shard.Shard {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.replicas[name]; r != nil && r.aside {
		return r.Shard
	}
	return nil
}

// Broken says whether a shard in memory may differ from what is on disk, because a commit was
// given up. It is right again after its engine is opened into another Store.
func (s *Store) Broken() bool {
	return slices.ContainsFunc(s.all(), func(r Replica) bool { return r.Shard.Broken() })
}

// Close ends all leaderships, makes everything durable and closes the engine. No request may
// be inside.
func (s *Store) Close(why error) error {
	s.resign(why)
	return errors.Join(s.env.Clock.Detach(), s.env.Engine.Close())
}
