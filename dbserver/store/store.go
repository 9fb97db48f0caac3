package store

import (
	"context"
	"maps"
	"slices"
	"sync"

	"stasis/dbserver/engine"
	"stasis/dbserver/locks"
	"stasis/dbserver/replica"
	"stasis/dbserver/shard"
)

// Store is an open engine and the replicas in it. Its methods may be used from any goroutine.
type Store struct {
	env  shard.Env
	home replica.Home
	life context.Context // ends when nothing here leads any more
	end  context.CancelCauseFunc

	mu       sync.RWMutex // not held while a replica is asked for anything: it may wait for the disk
	replicas map[string]*Replica
}

// Replica is a replica on this server, what it answers to a leader elsewhere, and its leader
// if this server leads the shard.
type Replica struct {
	Shard    *shard.Shard
	Follower *replica.Follower
	Leader   *replica.Leader // nil: another server leads

	aside    bool // see SetAside
	needless bool // see LetGo
}

// Open opens every shard that the engine holds, and attaches the clock. Nothing leads. home
// is the server as the replicas see it; its epoch is taken from the engine.
func Open(e *engine.Engine, clock *shard.Clock, home replica.Home) (*Store, error) {
	if err := clock.Attach(shard.StoreIn(e)); err != nil {
		return nil, err
	}
	home.Epoch = e.Epoch()
	s := &Store{env: shard.Env{Engine: e, Clock: clock, Locks: locks.NewTable(0)}, home: home, replicas: map[string]*Replica{}}
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

// Engine is the engine below.
func (s *Store) Engine() *engine.Engine { return s.env.Engine }

// Epoch is the epoch of the data.
func (s *Store) Epoch() uint64 { return s.home.Epoch }

// Life is a context that ends, with the reason as cause, when nothing here leads any more.
func (s *Store) Life() context.Context { return s.life }

// all are the replicas here, as they are now, in the order of their names.
func (s *Store) all() []Replica {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Replica
	for _, name := range slices.Sorted(maps.Keys(s.replicas)) {
		all = append(all, *s.replicas[name])
	}
	return all
}
