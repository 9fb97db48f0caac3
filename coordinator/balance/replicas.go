package balance

import (
	"cmp"
	"slices"
)

// spreadLeaders moves the data of one leader to a server that leads at least two
// fewer shards, if there are such.
func (b *balancer) spreadLeaders() bool {
	if !b.MoveLeaders {
		return false
	}
	for _, pair := range b.pairs(b.led, b.has) {
		if shard := b.candidate(pair, true); shard >= 0 {
			b.move(shard, pair)
			return true
		}
	}
	return false
}

// spreadReplicas moves one replica to a server that has at least two fewer.
func (b *balancer) spreadReplicas() bool {
	for _, pair := range b.pairs(b.has, b.led) {
		if shard := b.candidate(pair, false); b.MoveFollowers && shard >= 0 {
			b.move(shard, pair)
			return true
		}
		if shard := b.candidate(pair, true); b.MoveLeaders && shard >= 0 && b.moveAndChange(shard, pair) {
			return true
		}
	}
	return false
}

// moveAndChange moves a leader's data and has other leaders change for it, unless
// that makes what the servers lead less equal.
func (b *balancer) moveAndChange(shard int, pair [2]string) bool {
	before := b.square()
	saved := b.copy()
	b.move(shard, pair)
	b.changeLeaders()
	if b.square() <= before && len(b.moved)+b.changes() <= b.Moves {
		return true
	}
	*b = saved
	return false
}

// pairs are the pairs of servers of which the first has at least two more than the
// second, those that differ most first; then decides among equals.
func (b *balancer) pairs(of, then map[string]int) [][2]string {
	var all [][2]string
	for _, x := range b.servers {
		for _, y := range b.servers {
			if of[x]-of[y] >= 2 {
				all = append(all, [2]string{x, y})
			}
		}
	}
	slices.SortStableFunc(all, func(p, q [2]string) int {
		return cmp.Or(cmp.Compare(of[q[0]]-of[q[1]], of[p[0]]-of[p[1]]), cmp.Compare(then[q[0]]-then[q[1]], then[p[0]]-then[p[1]]))
	})
	return all
}

// candidate is a shard whose replica may move from one server to the other: the
// leader's or a follower's. -1: there is none.
func (b *balancer) candidate(pair [2]string, leader bool) int {
	for i, servers := range b.now {
		at := slices.Index(servers, pair[0])
		if b.untouched(i) && at >= 0 && (at == 0) == leader && !slices.Contains(servers, pair[1]) {
			return i
		}
	}
	return -1
}
