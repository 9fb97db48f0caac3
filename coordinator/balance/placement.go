package balance

import "slices"

// Placement says where the replicas of all shards are. Servers that are not in Servers keep
// what they have.
type Placement struct {
	Servers []string // that may get shards, sorted
	Shards  []Shard
}

// Shard has the servers of one shard, leader first.
type Shard struct {
	Database, Collection, Name string
	Servers                    []string
	Fixed                      bool // it is not moved
	System                     bool // of a system collection
}

// Allowed says what may be done to balance.
type Allowed struct {
	LeaderChanges bool // another replica leads; no data is moved
	MoveLeaders   bool // a leader's replica goes to another server
	MoveFollowers bool // a follower's replica goes to another server
	Moves         int  // at most
}

// Move is one move: of the leadership alone if the server that it goes to has a replica
// already.
type Move struct {
	Shard    int // in Placement.Shards
	From, To string
	Leader   bool
}

// Move moves a replica, or the leadership if to has a replica. It does nothing if from has
// none.
func (s *Shard) Move(from, to string) {
	i, k := slices.Index(s.Servers, from), slices.Index(s.Servers, to)
	switch {
	case i < 0:
	case k < 0:
		s.Servers[i] = to
	default:
		s.Servers[i], s.Servers[k] = s.Servers[k], s.Servers[i]
	}
}

// After returns the placement after moves. Their shards are fixed in it.
func (p Placement) After(moves []Move) Placement {
	done := Placement{Servers: p.Servers, Shards: slices.Clone(p.Shards)}
	for _, m := range moves {
		s := &done.Shards[m.Shard]
		s.Servers = slices.Clone(s.Servers)
		s.Fixed = true
		s.Move(m.From, m.To)
	}
	return done
}
