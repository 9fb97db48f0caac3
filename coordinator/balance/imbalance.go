package balance

import (
	"math"
	"slices"
)

// Imbalance says how unequal a placement is, servers in the order of their ids. A shard weighs
// 1, whatever is in it.
type Imbalance struct {
	Leader LeaderImbalance `json:"leader"`
	Shards ShardImbalance  `json:"shards"`
}

// LeaderImbalance is about the shards that servers lead.
type LeaderImbalance struct {
	WeightUsed   []int     `json:"weightUsed"`
	TargetWeight []float64 `json:"targetWeight"`
	NumberShards []int     `json:"numberShards"`
	Duplicates   []int     `json:"leaderDupl"` // beyond the first of each collection
	TotalWeight  int       `json:"totalWeight"`
	TotalShards  int       `json:"totalShards"`
	Imbalance    float64   `json:"imbalance"` // sum of the squares of the differences to the mean
}

// ShardImbalance is about the replicas that servers have.
type ShardImbalance struct {
	SizeUsed     []int     `json:"sizeUsed"`
	TargetSize   []float64 `json:"targetSize"`
	NumberShards []int     `json:"numberShards"`
	TotalUsed    int       `json:"totalUsed"`
	TotalShards  int       `json:"totalShards"`
	System       int       `json:"totalShardsFromSystemCollections"`
	Imbalance    float64   `json:"imbalance"` // sum of the squares of the differences to the mean
}

// Imbalance measures a placement.
func (p Placement) Imbalance() Imbalance {
	led, has := make([]int, len(p.Servers)), make([]int, len(p.Servers))
	twice, seen := make([]int, len(p.Servers)), map[string]bool{}
	system := 0
	for _, s := range p.Shards {
		for i, server := range s.Servers {
			at := slices.Index(p.Servers, server)
			if at < 0 {
				continue
			}
			has[at]++
			if s.System {
				system++
			}
			if i > 0 {
				continue
			}
			led[at]++
			if key := s.Collection + "/" + server; seen[key] {
				twice[at]++
			} else {
				seen[key] = true
			}
		}
	}
	leaders, replicas := sum(led), sum(has)
	return Imbalance{
		Leader: LeaderImbalance{
			WeightUsed: led, TargetWeight: mean(led), NumberShards: led, Duplicates: twice,
			TotalWeight: leaders, TotalShards: leaders, Imbalance: unequal(led),
		},
		Shards: ShardImbalance{
			SizeUsed: has, TargetSize: mean(has), NumberShards: has, TotalUsed: replicas, TotalShards: replicas,
			System: system, Imbalance: unequal(has),
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

// mean returns the target of each server, which is the same for all.
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
