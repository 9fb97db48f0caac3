package admin

import (
	"cmp"
	"net/http"
	"slices"

	"stasis/agency/keys"
	"stasis/coordinator/balance"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
)

// imbalance answers how unequal the placement is, and how many moves are to do and pending.
func (a *API) imbalance(c *rest.Call) error {
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	moves := func(key string) (n int) {
		for _, node := range snap.Node(key).Children() {
			if node.At("type").Text() == keys.JobMoveShard {
				n++
			}
		}
		return n
	}
	return c.Result(http.StatusOK, struct {
		balance.Imbalance
		Pending int `json:"pendingMoveShards"`
		ToDo    int `json:"todoMoveShards"`
	}{placementIn(snap, balanceRequest{}).Imbalance(), moves(keys.TargetPending), moves(keys.TargetToDo)})
}

// rebalanceShards spreads leaders and followers evenly.
func (a *API) rebalanceShards(c *rest.Call) error {
	everything := balance.Allowed{LeaderChanges: true, MoveLeaders: true, MoveFollowers: true, Moves: maxMoves}
	ids, err := a.create(c.R.Context(), func(snap *catalog.Snapshot) ([]keys.Job, error) {
		p := placementIn(snap, balanceRequest{})
		return jobsOf(p, balance.Moves(p, everything)), nil
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

// computeRebalance answers which moves would make the placement more equal.
func (a *API) computeRebalance(c *rest.Call) error {
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
	return c.Result(http.StatusOK, plan(p, balance.Moves(p, may)))
}

func plan(p balance.Placement, moves []balance.Move) rest.Fields {
	return rest.Fields{"imbalanceBefore": p.Imbalance(), "imbalanceAfter": p.After(moves).Imbalance(), "moves": operationsOf(p, moves)}
}

// rebalance makes such moves.
func (a *API) rebalance(c *rest.Call) error {
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
		moves := balance.Moves(p, may)
		result = plan(p, moves)
		return jobsOf(p, moves), nil
	})
	if err != nil {
		return err
	}
	return c.Result(acceptedIf(len(ids) > 0), result)
}

// executeRebalance makes moves that were computed before. If leadership alone moves, the old
// leader remains as a follower.
func (a *API) executeRebalance(c *rest.Call) error {
	var body struct {
		Version int         `json:"version"`
		Moves   []operation `json:"moves"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	if body.Version != 1 {
		return badParameter("want the attribute version with the value 1")
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
				return nil, badParameter("shard %s: isLeader is not as in Plan: compute the moves again", m.Shard)
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
