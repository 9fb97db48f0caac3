package balance

import (
	"maps"
	"slices"
)

// balancer has a placement and what was moved in it so far.
type balancer struct {
	Allowed
	servers []string
	was     []Shard
	now     [][]string   // servers of each shard, leader first
	moved   map[int]Move // shards whose data moves
	led     map[string]int
	has     map[string]int
}

func newBalancer(p Placement, a Allowed) *balancer {
	b := &balancer{Allowed: a, servers: slices.Sorted(slices.Values(p.Servers)), was: p.Shards, moved: map[int]Move{}, led: map[string]int{}, has: map[string]int{}}
	for _, s := range p.Shards {
		b.now = append(b.now, slices.Clone(s.Servers))
		b.led[s.Servers[0]]++
		for _, server := range s.Servers {
			b.has[server]++
		}
	}
	return b
}

func (b *balancer) may(server string) bool {
	_, found := slices.BinarySearch(b.servers, server)
	return found
}

// free says whether a shard may get another leader.
func (b *balancer) free(shard int) bool {
	_, moved := b.moved[shard]
	return !moved && !b.was[shard].Fixed && b.may(b.now[shard][0])
}

// untouched says whether nothing of a shard is moved so far.
func (b *balancer) untouched(shard int) bool {
	return b.free(shard) && b.now[shard][0] == b.was[shard].Servers[0]
}

// lead makes a replica the leader.
func (b *balancer) lead(shard int, server string) {
	servers := b.now[shard]
	b.led[servers[0]]--
	b.led[server]++
	i := slices.Index(servers, server)
	servers[0], servers[i] = servers[i], servers[0]
}

// changes counts the shards of which another replica shall lead.
func (b *balancer) changes() int {
	n := 0
	for i := range b.now {
		if _, moved := b.moved[i]; !moved && b.now[i][0] != b.was[i].Servers[0] {
			n++
		}
	}
	return n
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

func (b *balancer) move(shard int, pair [2]string) {
	at := slices.Index(b.now[shard], pair[0])
	b.now[shard][at] = pair[1]
	b.has[pair[0]]--
	b.has[pair[1]]++
	if at == 0 {
		b.led[pair[0]]--
		b.led[pair[1]]++
	}
	b.moved[shard] = Move{Shard: shard, From: pair[0], To: pair[1], Leader: at == 0}
}

// all returns all moves: those of leadership alone first, because they cost least.
func (b *balancer) all() []Move {
	changes, moves := []Move{}, []Move{}
	for i, servers := range b.now {
		if m, moved := b.moved[i]; moved {
			moves = append(moves, m)
		} else if was := b.was[i].Servers[0]; servers[0] != was {
			changes = append(changes, Move{Shard: i, From: was, To: servers[0], Leader: true})
		}
	}
	return append(changes, moves...)
}
