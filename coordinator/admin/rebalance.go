package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
)

// maxMoves is how many moves one rebalancing makes at most, unless asked for another
// number; and maxMovesAsked how many may be asked for.
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

func (r balanceRequest) allowed() (allowed, error) {
	a := allowed{leaderChanges: r.LeaderChanges == nil || *r.LeaderChanges, moveLeaders: r.MoveLeaders, moveFollowers: r.MoveFollowers, moves: maxMoves}
	if r.Version == nil || *r.Version != 1 {
		return a, badParameter("want the attribute version, and that it is 1")
	}
	if r.MaximumNumberOfMoves != nil {
		if a.moves = *r.MaximumNumberOfMoves; a.moves < 0 || a.moves > maxMovesAsked {
			return a, badParameter("maximumNumberOfMoves %d: want 0 to %d", a.moves, maxMovesAsked)
		}
	}
	return a, nil
}

// placementIn is where everything is by Plan, moves that are to be done or under
// way as if they were done. Their shards are not moved again now.
func placementIn(snap *catalog.Snapshot, r balanceRequest) placement {
	p, index := placement{servers: snap.Available()}, map[string]int{}
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
				s := replicas{db: db, collection: coll.ID, name: name, system: coll.IsSystem}
				for _, server := range coll.Shards[name] {
					s.fixed = s.fixed || strings.HasPrefix(server, keys.Resigned)
					s.servers = append(s.servers, plain(server))
				}
				index[name] = len(p.shards)
				p.shards = append(p.shards, s)
			}
		}
	}
	for _, room := range []string{keys.TargetPending, keys.TargetToDo} {
		for _, node := range snap.Node(room).Children() {
			var job keys.Job
			if i, known := index[node.At("shard").Text()]; known && node.Decode(&job) == nil {
				p.shards[i].expect(job)
			}
		}
	}
	return p
}

// expect is the placement after a job.
func (s *replicas) expect(job keys.Job) {
	s.fixed = true
	from, to := slices.Index(s.servers, job.FromServer), slices.Index(s.servers, job.ToServer)
	switch {
	case job.Type != keys.JobMoveShard || from < 0:
	case to < 0:
		s.servers[from] = job.ToServer
	default:
		s.servers[from], s.servers[to] = s.servers[to], s.servers[from]
	}
}

// after is a placement when moves are made.
func (p placement) after(moves []shift) placement {
	done := placement{servers: p.servers, shards: slices.Clone(p.shards)}
	for _, m := range moves {
		s := &done.shards[m.shard]
		s.servers = slices.Clone(s.servers)
		s.expect(keys.Job{Type: keys.JobMoveShard, FromServer: m.from, ToServer: m.to})
	}
	return done
}

// jobs are moves as the supervision takes them.
func (p placement) jobs(moves []shift) []keys.Job {
	var all []keys.Job
	for _, m := range moves {
		s := p.shards[m.shard]
		all = append(all, keys.Job{
			Type: keys.JobMoveShard, Database: s.db, Collection: s.collection, Shard: s.name,
			FromServer: m.from, ToServer: m.to, IsLeader: m.leader, RemainsFollower: slices.Contains(s.servers, m.to),
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

func (p placement) operations(moves []shift) []operation {
	all := []operation{}
	for _, m := range moves {
		s := p.shards[m.shard]
		all = append(all, operation{Database: s.db, Collection: s.collection, Shard: s.name, From: m.from, To: m.to, IsLeader: m.leader})
	}
	return all
}

// rebalanceShards spreads leaders and followers evenly.
func (a *Admin) rebalanceShards(c *rest.Call) error {
	everything := allowed{leaderChanges: true, moveLeaders: true, moveFollowers: true, moves: maxMoves}
	ids, err := a.create(c.R.Context(), func(snap *catalog.Snapshot) ([]keys.Job, error) {
		p := placementIn(snap, balanceRequest{})
		return p.jobs(balance(p, everything)), nil
	})
	if err != nil {
		return err
	}
	return c.OK(acceptedIf(len(ids) > 0), rest.Fields{"ids": append([]string{}, ids...)})
}

func acceptedIf(something bool) int {
	if something {
		return http.StatusAccepted
	}
	return http.StatusOK
}

// computeRebalance says which moves would make the placement more equal.
func (a *Admin) computeRebalance(c *rest.Call) error {
	var r balanceRequest
	if err := c.Object(&r); err != nil {
		return err
	}
	may, err := r.allowed()
	if err != nil {
		return err
	}
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	p := placementIn(snap, r)
	return c.Result(http.StatusOK, plan(p, balance(p, may)))
}

func plan(p placement, moves []shift) rest.Fields {
	return rest.Fields{"imbalanceBefore": p.figures(), "imbalanceAfter": p.after(moves).figures(), "moves": p.operations(moves)}
}

// rebalance makes such moves.
func (a *Admin) rebalance(c *rest.Call) error {
	var r balanceRequest
	if err := c.Object(&r); err != nil {
		return err
	}
	may, err := r.allowed()
	if err != nil {
		return err
	}
	var result rest.Fields
	ids, err := a.create(c.R.Context(), func(snap *catalog.Snapshot) ([]keys.Job, error) {
		p := placementIn(snap, r)
		moves := balance(p, may)
		result = plan(p, moves)
		return p.jobs(moves), nil
	})
	if err != nil {
		return err
	}
	return c.Result(acceptedIf(len(ids) > 0), result)
}

// executeRebalance makes moves that were computed before, those of leadership alone
// with the old leader remaining.
func (a *Admin) executeRebalance(c *rest.Call) error {
	var body struct {
		Version int         `json:"version"`
		Moves   []operation `json:"moves"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	if body.Version != 1 {
		return badParameter("want the attribute version, and that it is 1")
	}
	if len(body.Moves) > maxMovesAsked {
		return badParameter("%d moves: want at most %d", len(body.Moves), maxMovesAsked)
	}
	ids, err := a.create(c.R.Context(), func(snap *catalog.Snapshot) ([]keys.Job, error) {
		var jobs []keys.Job
		for _, m := range body.Moves {
			job, err := move(snap, keys.Job{
				Type: keys.JobMoveShard, Database: cmp.Or(m.Database, c.DB), Collection: m.Collection, Shard: m.Shard, FromServer: m.From, ToServer: m.To,
			})
			if err != nil {
				return nil, err
			}
			if job.IsLeader != m.IsLeader {
				return nil, badParameter("shard %s: isLeader is not as in Plan any more", m.Shard)
			}
			coll, _ := snap.Collection(job.Database, job.Collection)
			job.RemainsFollower = slices.Contains(coll.Shards[job.Shard], job.ToServer)
			jobs = append(jobs, job)
		}
		return jobs, nil
	})
	if err != nil {
		return err
	}
	return c.OK(acceptedIf(len(ids) > 0), nil)
}
