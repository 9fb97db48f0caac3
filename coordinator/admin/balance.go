package admin

import (
	"cmp"
	"maps"
	"slices"
)

// placement is where the replicas of all shards are. Servers that are not among
// its servers keep what they have.
type placement struct {
	servers []string // that shards may be put on, sorted
	shards  []replicas
}

// replicas are the servers of one shard, leader first. A fixed one is not moved.
type replicas struct {
	db, collection, name string
	servers              []string
	fixed                bool
	system               bool // of a system collection
}

// allowed says what may be done to balance.
type allowed struct {
	leaderChanges bool // another replica leads; no data is moved
	moveLeaders   bool // a leader's replica goes to another server
	moveFollowers bool // a follower's replica goes to another server
	moves         int  // at most
}

// shift is one move: of the leadership alone if the server it goes to has a
// replica already.
type shift struct {
	shard    int
	from, to string
	leader   bool
}

// balance computes moves after which the servers lead as equal numbers of shards as
// possible, and, second to that, have as equal numbers of replicas. It is a pure
// function of its arguments.
//
// Leadership alone moves first: along chains of shards whose followers can take
// over, which is how an optimal semi-matching is found (Harvey, Ladner, Lovász and
// Tamir, "Semi-matchings for bipartite graphs and load balancing", 2003). Then data
// moves, one replica from the server with the most to the one with the fewest,
// followers rather than leaders. Every move makes the sum of the squares of what
// the servers lead smaller, or leaves it and makes that of their replicas smaller.
// So there is an end, and what is balanced stays as it is.
//
// No shard is moved more than once, so the moves may be made in any order. That
// can leave something to do for another call once these are made.
func balance(p placement, a allowed) []shift {
	b := newBalancer(p, a)
	b.changeLeaders()
	for len(b.moved)+b.changes() < a.moves && (b.spreadLeaders() || b.spreadReplicas()) {
		b.changeLeaders()
	}
	return b.shifts()
}

// balancer works on a copy of a placement.
type balancer struct {
	allowed
	servers []string
	was     []replicas
	now     [][]string    // servers of each shard, leader first
	moved   map[int]shift // shards whose data moves
	led     map[string]int
	has     map[string]int
}

func newBalancer(p placement, a allowed) *balancer {
	b := &balancer{allowed: a, servers: slices.Sorted(slices.Values(p.servers)), was: p.shards, moved: map[int]shift{}, led: map[string]int{}, has: map[string]int{}}
	for _, s := range p.shards {
		b.now = append(b.now, slices.Clone(s.servers))
		b.led[s.servers[0]]++
		for _, server := range s.servers {
			b.has[server]++
		}
	}
	return b
}

func (b *balancer) may(server string) bool {
	_, found := slices.BinarySearch(b.servers, server)
	return found
}

// free says whether a shard may still be given another leader.
func (b *balancer) free(shard int) bool {
	_, moved := b.moved[shard]
	return !moved && !b.was[shard].fixed && b.may(b.now[shard][0])
}

// untouched says whether nothing of a shard moves so far.
func (b *balancer) untouched(shard int) bool {
	return b.free(shard) && b.now[shard][0] == b.was[shard].servers[0]
}

// lead makes a replica the leader.
func (b *balancer) lead(shard int, server string) {
	servers := b.now[shard]
	b.led[servers[0]]--
	b.led[server]++
	i := slices.Index(servers, server)
	servers[0], servers[i] = servers[i], servers[0]
}

// changes counts shards that another replica is to lead.
func (b *balancer) changes() int {
	n := 0
	for i := range b.now {
		if _, moved := b.moved[i]; !moved && b.now[i][0] != b.was[i].servers[0] {
			n++
		}
	}
	return n
}

// changeLeaders shifts leadership along chains until none makes it more equal.
func (b *balancer) changeLeaders() {
	for b.leaderChanges {
		chain := b.chain()
		if chain == nil {
			return
		}
		for _, s := range chain {
			b.lead(s.shard, s.to)
		}
		if len(b.moved)+b.changes() > b.moves {
			for _, s := range slices.Backward(chain) {
				b.lead(s.shard, s.from)
			}
			return
		}
	}
}

// chain finds the shortest chain of changes from a server that leads many to one
// that leads at least two fewer.
func (b *balancer) chain() []shift {
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
	var best []shift
	for _, start := range b.servers {
		if chain := b.search(start, next); chain != nil && (best == nil || len(chain) < len(best)) {
			best = chain
		}
	}
	return best
}

// search is breadth first, so it finds the shortest chain from start.
func (b *balancer) search(start string, next map[string]map[string]int) []shift {
	came := map[string]shift{start: {}}
	for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if b.led[at] <= b.led[start]-2 {
			var chain []shift
			for ; at != start; at = came[at].from {
				chain = append(chain, came[at])
			}
			slices.Reverse(chain)
			return chain
		}
		for _, to := range b.servers {
			shard, ok := next[at][to]
			if _, been := came[to]; ok && !been {
				came[to] = shift{shard: shard, from: at, to: to, leader: true}
				queue = append(queue, to)
			}
		}
	}
	return nil
}

// spreadLeaders moves the data of one leader to a server that leads at least two
// fewer shards, if there are such.
func (b *balancer) spreadLeaders() bool {
	if !b.moveLeaders {
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
		if shard := b.candidate(pair, false); b.moveFollowers && shard >= 0 {
			b.move(shard, pair)
			return true
		}
		if shard := b.candidate(pair, true); b.moveLeaders && shard >= 0 && b.moveAndChange(shard, pair) {
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
	if b.square() <= before && len(b.moved)+b.changes() <= b.moves {
		return true
	}
	*b = saved
	return false
}

// square is the sum of the squares of what the servers lead.
func (b *balancer) square() int {
	sum := 0
	for _, server := range b.servers {
		sum += b.led[server] * b.led[server]
	}
	return sum
}

func (b *balancer) copy() balancer {
	c := *b
	c.moved, c.led, c.has = maps.Clone(b.moved), maps.Clone(b.led), maps.Clone(b.has)
	c.now = make([][]string, len(b.now))
	for i := range b.now {
		c.now[i] = slices.Clone(b.now[i])
	}
	return c
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

func (b *balancer) move(shard int, pair [2]string) {
	at := slices.Index(b.now[shard], pair[0])
	b.now[shard][at] = pair[1]
	b.has[pair[0]]--
	b.has[pair[1]]++
	if at == 0 {
		b.led[pair[0]]--
		b.led[pair[1]]++
	}
	b.moved[shard] = shift{shard: shard, from: pair[0], to: pair[1], leader: at == 0}
}

// shifts are all moves: of leadership alone first, because they cost least.
func (b *balancer) shifts() []shift {
	changes, moves := []shift{}, []shift{}
	for i, servers := range b.now {
		if m, moved := b.moved[i]; moved {
			moves = append(moves, m)
		} else if was := b.was[i].servers[0]; servers[0] != was {
			changes = append(changes, shift{shard: i, from: was, to: servers[0], leader: true})
		}
	}
	return append(changes, moves...)
}
