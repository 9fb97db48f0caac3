package admin

import (
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/coordinator/balance"
	"stasis/coordinator/catalog"
)

// maxMoves is how many moves one rebalancing makes at most, unless the request asks for another
// number; maxMovesAsked is how many it may ask for.
const (
	maxMoves      = 1000
	maxMovesAsked = 5000
)

// balanceRequest says what may be moved.
type balanceRequest struct {
	Version                  *int     `json:"version"`
	MaximumNumberOfMoves     *int     `json:"maximumNumberOfMoves"`
	LeaderChanges            *bool    `json:"leaderChanges"`
	MoveLeaders              bool     `json:"moveLeaders"`
	MoveFollowers            bool     `json:"moveFollowers"`
	ExcludeSystemCollections bool     `json:"excludeSystemCollections"`
	DatabasesExcluded        []string `json:"databasesExcluded"`
}

func (r balanceRequest) allowed() (balance.Allowed, error) {
	a := balance.Allowed{LeaderChanges: r.LeaderChanges == nil || *r.LeaderChanges, MoveLeaders: r.MoveLeaders, MoveFollowers: r.MoveFollowers, Moves: maxMoves}
	if r.Version == nil || *r.Version != 1 {
		return a, badParameter("want the attribute version with the value 1")
	}
	if r.MaximumNumberOfMoves != nil {
		if a.Moves = *r.MaximumNumberOfMoves; a.Moves < 0 || a.Moves > maxMovesAsked {
			return a, badParameter("maximumNumberOfMoves %d: want 0 to %d", a.Moves, maxMovesAsked)
		}
	}
	return a, nil
}

// placementIn returns where all replicas are by Plan, as if the moves that are to do or pending
// were done. Their shards are not moved again now.
func placementIn(snap *catalog.Snapshot, r balanceRequest) balance.Placement {
	p, index := balance.Placement{Servers: snap.Available()}, map[string]int{}
	for _, db := range snap.Databases() {
		if slices.Contains(r.DatabasesExcluded, db) {
			continue
		}
		for _, coll := range snap.Collections(db) {
			if r.ExcludeSystemCollections && coll.IsSystem {
				continue
			}
			for _, name := range coll.ShardNames {
				if len(coll.Shards[name]) == 0 {
					continue
				}
				s := balance.Shard{Database: db, Collection: coll.ID, Name: name, System: coll.IsSystem}
				for _, server := range coll.Shards[name] {
					s.Fixed = s.Fixed || strings.HasPrefix(server, keys.Resigned)
					s.Servers = append(s.Servers, plain(server))
				}
				index[name] = len(p.Shards)
				p.Shards = append(p.Shards, s)
			}
		}
	}
	for _, key := range []string{keys.TargetPending, keys.TargetToDo} {
		for _, node := range snap.Node(key).Children() {
			var job keys.Job
			if i, known := index[node.At("shard").Text()]; known && node.Decode(&job) == nil {
				p.Shards[i].Fixed = true
				if job.Type == keys.JobMoveShard {
					p.Shards[i].Move(job.FromServer, job.ToServer)
				}
			}
		}
	}
	return p
}

// jobsOf returns moves as jobs of the supervision.
func jobsOf(p balance.Placement, moves []balance.Move) []keys.Job {
	var all []keys.Job
	for _, m := range moves {
		s := p.Shards[m.Shard]
		all = append(all, keys.Job{
			Type: keys.JobMoveShard, Database: s.Database, Collection: s.Collection, Shard: s.Name,
			FromServer: m.From, ToServer: m.To, IsLeader: m.Leader, RemainsFollower: slices.Contains(s.Servers, m.To),
		})
	}
	return all
}

// operation is a move as clients see it.
type operation struct {
	Database   string `json:"database"`
	Collection string `json:"collection"` // id
	Shard      string `json:"shard"`
	From       string `json:"from"`
	To         string `json:"to"`
	IsLeader   bool   `json:"isLeader"`
}

func operationsOf(p balance.Placement, moves []balance.Move) []operation {
	all := []operation{}
	for _, m := range moves {
		s := p.Shards[m.Shard]
		all = append(all, operation{Database: s.Database, Collection: s.Collection, Shard: s.Name, From: m.From, To: m.To, IsLeader: m.Leader})
	}
	return all
}
