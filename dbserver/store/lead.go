package store

import (
	"slices"

	"stasis/dbserver/replica"
	"stasis/dbserver/shard"
)

// Assign makes this server lead what Plan says, and nothing else. places are all shards that
// Plan gives it.
func (s *Store) Assign(server replica.Server, places []replica.Place) {
	for _, p := range places {
		r, err := s.Replica(p.Shard)
		switch {
		case err != nil: // it could not be created, and is the next time
		case p.Leader() != server.ID:
			if r.Leader != nil {
				s.lead(p.Shard, nil)
			}
		case r.Leader == nil, r.Leader.Tenure().Term != p.Term, r.Leader.Over():
			s.lead(p.Shard, func(of *shard.Shard) *replica.Leader { return replica.Lead(server, of, p) })
		default:
			r.Leader.Update(p)
		}
	}
}

// lead replaces the leader of a shard. begin nil: this server does not lead the shard. The
// old leader has ended before the new one begins: two of one tenure would disturb each other.
func (s *Store) lead(name string, begin func(*shard.Shard) *replica.Leader) {
	s.mu.Lock()
	r := s.replicas[name]
	var old *replica.Leader
	if r != nil {
		old, r.Leader = r.Leader, nil
	}
	s.mu.Unlock()
	if old != nil {
		old.Close()
	}
	if r == nil || begin == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() == nil {
		r.Leader = begin(r.Shard)
	}
}

// resign ends all leaderships for good. Writes in flight end with an unknown outcome.
func (s *Store) resign(why error) {
	s.end(why)
	for _, r := range s.all() { // lead begins no leadership any more
		if r.Leader != nil {
			r.Leader.Close() // it waits for a sink of events
		}
	}
}

// LeadershipOver says whether a leadership has ended without Plan having said so.
func (s *Store) LeadershipOver() bool {
	return slices.ContainsFunc(s.all(), func(r Replica) bool { return r.Leader != nil && r.Leader.Over() })
}
