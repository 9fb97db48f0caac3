package balance

import "slices"

// changeLeaders moves leadership along chains until no chain makes it more equal.
func (b *balancer) changeLeaders() {
	for b.LeaderChanges {
		chain := b.chain()
		if chain == nil {
			return
		}
		for _, s := range chain {
			b.lead(s.Shard, s.To)
		}
		if len(b.moved)+b.changes() > b.Moves {
			for _, s := range slices.Backward(chain) {
				b.lead(s.Shard, s.From)
			}
			return
		}
	}
}

// chain finds the shortest chain of changes from a server that leads many to one
// that leads at least two fewer.
func (b *balancer) chain() []Move {
	next := map[string]map[string]int{} // leader → follower → a shard
	for i, servers := range b.now {
		if !b.free(i) {
			continue
		}
		for _, follower := range servers[1:] {
			if !b.may(follower) {
				continue
			}
			if next[servers[0]] == nil {
				next[servers[0]] = map[string]int{}
			}
			if _, known := next[servers[0]][follower]; !known {
				next[servers[0]][follower] = i
			}
		}
	}
	var best []Move
	for _, start := range b.servers {
		if chain := b.search(start, next); chain != nil && (best == nil || len(chain) < len(best)) {
			best = chain
		}
	}
	return best
}

// search is breadth first, so it finds the shortest chain from start.
func (b *balancer) search(start string, next map[string]map[string]int) []Move {
	came := map[string]Move{start: {}}
	for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if b.led[at] <= b.led[start]-2 {
			var chain []Move
			for ; at != start; at = came[at].From {
				chain = append(chain, came[at])
			}
			slices.Reverse(chain)
			return chain
		}
		for _, to := range b.servers {
			shard, ok := next[at][to]
			if _, been := came[to]; ok && !been {
				came[to] = Move{Shard: shard, From: at, To: to, Leader: true}
				queue = append(queue, to)
			}
		}
	}
	return nil
}
