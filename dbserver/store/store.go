package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"stasis/dbserver/engine"
	"stasis/dbserver/replica"
	"stasis/dbserver/shard"
)

// Store is an open engine and the replicas in it. Its methods may be used from any goroutine.
type Store struct {
	env  shard.Env
	home replica.Home
	life context.Context // ends when nothing here leads any more
	end  context.CancelCauseFunc

	mu       sync.RWMutex
	replicas map[string]*Replica
}

// Open opens every shard that the engine holds, and attaches the clock. Nothing leads. home
// is the server as the replicas see it; its epoch is taken from the engine.
func Open(e *engine.Engine, clock *shard.Clock, home replica.Home) (*Store, error) {
	if err := clock.Attach(shard.StoreIn(e)); err != nil {
		return nil, err
	}
	home.Epoch = e.Epoch()
	s := &Store{env: shard.Env{Engine: e, Clock: clock}, home: home, replicas: map[string]*Replica{}}
	s.life, s.end = context.WithCancelCause(context.Background())
	names, err := shard.Names(e)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		opened, err := shard.Open(s.env, name)
		if err != nil {
			return nil, err
		}
		s.host(opened)
	}
	return s, nil
}

// host adds a shard that nothing leads. mu is held, or the only reference.
func (s *Store) host(of *shard.Shard) {
	s.replicas[of.Name()] = &Replica{Shard: of, Follower: replica.NewFollower(s.home, of)}
}

// Close ends all leaderships, makes everything durable and closes the engine. No request may
// be inside.
func (s *Store) Close(why error) error {
	s.Resign(why)
	return errors.Join(s.env.Clock.Detach(), s.env.Engine.Close())
}

// Engine is the engine below.
func (s *Store) Engine() *engine.Engine { return s.env.Engine }

// Epoch is the epoch of the data.
func (s *Store) Epoch() uint64 { return s.home.Epoch }

// Life is a context that ends, with the reason as cause, when nothing here leads any more.
func (s *Store) Life() context.Context { return s.life }

// Names are the shards here, sorted.
func (s *Store) Names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sorted()
}

// sorted are the shards here. mu is held.
func (s *Store) sorted() []string { return slices.Sorted(maps.Keys(s.replicas)) }

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

// Broken says whether a shard in memory may differ from what is on disk, because a commit was
// given up. It is right again after its engine is opened into another Store.
func (s *Store) Broken() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.replicas {
		if r.Shard.Broken() {
			return true
		}
	}
	return false
}
