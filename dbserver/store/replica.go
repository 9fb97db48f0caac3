package store

import (
	"context"
	"slices"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
)

// Replica gives the replica of a shard, whichever server leads; [apierror.ShardGone] if there is
// none.
func (s *Store) Replica(name string) (*Replica, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.replicas[name]
	if r == nil || r.aside {
		return nil, apierror.New(apierror.ShardGone, "shard %q is not on this server", name)
	}
	return &Replica{Shard: r.Shard, Follower: r.Follower, Leader: r.Leader}, nil
}

// Led gives the replica of a shard that this server leads and may serve.
func (s *Store) Led(name string) (*Replica, error) {
	if s.life.Err() != nil {
		return nil, context.Cause(s.life)
	}
	r, err := s.Replica(name)
	if err != nil {
		return nil, err
	}
	if r.Leader == nil {
		return nil, apierror.New(apierror.NotLeader, "this server does not lead shard %s", name)
	}
	return r, r.Leader.Serving()
}

// Leading are the replicas that this server leads and may serve.
func (s *Store) Leading() []Replica {
	return slices.DeleteFunc(s.all(), func(r Replica) bool { return r.Leader == nil || r.Leader.Serving() != nil })
}

// Release releases all locks of an owner.
func (s *Store) Release(o *locks.Owner) { s.env.Locks.Release(o) }

// AtCut says where the replicas stand at a cut: for the shards that this server leads the
// leaders' statements, for the others where the log ends.
func (s *Store) AtCut() dbclient.CutResponse {
	answer := dbclient.CutResponse{Logs: map[string]uint64{}}
	for _, r := range s.all() {
		if r.Leader != nil {
			answer.Statements = append(answer.Statements, r.Leader.Statement())
		} else {
			answer.Logs[r.Shard.Name()] = r.Shard.Seq() // while a copy is brought: where the log ended before
		}
	}
	return answer
}
