package admin

import (
	"math"
	"net/http"
	"slices"

	"stasis/agency/keys"
	"stasis/internal/rest"
)

// imbalance says how unequal the placement is, and what is being done about it.
func (a *Admin) imbalance(c *rest.Call) error {
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	f := placementIn(snap, balanceRequest{}).figures()
	for name, room := range map[string]string{"pendingMoveShards": keys.TargetPending, "todoMoveShards": keys.TargetToDo} {
		n := 0
		for _, node := range snap.Node(room).Children() {
			if node.At("type").Text() == keys.JobMoveShard {
				n++
			}
		}
		f[name] = n
	}
	return c.Result(http.StatusOK, f)
}

// figures say how unequal a placement is, servers in the order of their ids. A shard
// weighs 1, whatever is in it; the imbalance is the sum of the squares of the
// differences to the mean.
func (p placement) figures() rest.Fields {
	led, has := make([]int, len(p.servers)), make([]int, len(p.servers))
	twice, seen := make([]int, len(p.servers)), map[string]bool{}
	system := 0
	for _, s := range p.shards {
		for i, server := range s.servers {
			at := slices.Index(p.servers, server)
			if at < 0 {
				continue
			}
			has[at]++
			if s.system {
				system++
			}
			if i > 0 {
				continue
			}
			led[at]++
			if key := s.collection + "/" + server; seen[key] {
				twice[at]++
			} else {
				seen[key] = true
			}
		}
	}
	leaders, replicas := sum(led), sum(has)
	return rest.Fields{
		"leader": rest.Fields{
			"weightUsed": led, "targetWeight": mean(led), "numberShards": led, "leaderDupl": twice,
			"totalWeight": leaders, "totalShards": leaders, "imbalance": unequal(led),
		},
		"shards": rest.Fields{
			"sizeUsed": has, "targetSize": mean(has), "numberShards": has, "totalUsed": replicas, "totalShards": replicas,
			"totalShardsFromSystemCollections": system, "imbalance": unequal(has),
		},
	}
}

func sum(counts []int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

// mean is the same target for everyone.
func mean(counts []int) []float64 {
	all := make([]float64, len(counts))
	for i := range all {
		all[i] = float64(sum(counts)) / float64(len(counts))
	}
	return all
}

func unequal(counts []int) float64 {
	total := 0.0
	for i, m := range mean(counts) {
		total += math.Pow(float64(counts[i])-m, 2)
	}
	return total
}
