package admin

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawn is any placement: some servers may be used, others hold shards all the same.
func drawn(t *rapid.T) placement {
	n := rapid.IntRange(1, 6).Draw(t, "servers")
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("P%d", i)
	}
	p := placement{servers: all[:rapid.IntRange(1, n).Draw(t, "usable")]}
	for i := range rapid.IntRange(0, 25).Draw(t, "shards") {
		on := rapid.Permutation(all).Draw(t, "order")
		factor := rapid.IntRange(1, n).Draw(t, "factor")
		if rapid.Bool().Draw(t, "together") { // most have much in common, or all would be even by chance
			slices.Sort(on)
		}
		p.shards = append(p.shards, replicas{db: "d", collection: "1", name: fmt.Sprintf("s%d", i), servers: on[:factor], fixed: rapid.IntRange(0, 9).Draw(t, "fixed") == 0})
	}
	return p
}

func (p placement) counts() (led, has []int) {
	led, has = make([]int, len(p.servers)), make([]int, len(p.servers))
	for _, s := range p.shards {
		for i, server := range s.servers {
			if at := slices.Index(p.servers, server); at >= 0 {
				has[at]++
				if i == 0 {
					led[at]++
				}
			}
		}
	}
	return led, has
}

func square(counts []int) int {
	sum := 0
	for _, n := range counts {
		sum += n * n
	}
	return sum
}

func spread(counts []int) int { return slices.Max(counts) - slices.Min(counts) }

// Every move can be made, does what may be done, and none is made in vain.
func TestMovesAreGood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		a := allowed{rapid.Bool().Draw(t, "changes"), rapid.Bool().Draw(t, "leaders"), rapid.Bool().Draw(t, "followers"), rapid.IntRange(0, 10).Draw(t, "moves")}
		moves := balance(p, a)
		require.LessOrEqual(t, len(moves), a.moves)
		seen := map[int]bool{}
		for _, m := range moves {
			s := p.shards[m.shard]
			require.False(t, s.fixed)
			require.False(t, seen[m.shard], "once at most")
			seen[m.shard] = true
			require.Contains(t, s.servers, m.from)
			require.Contains(t, p.servers, m.to)
			require.Equal(t, s.servers[0] == m.from, m.leader)
			change := slices.Contains(s.servers, m.to)
			require.True(t, !change || m.leader)
			require.True(t, !change || a.leaderChanges)
			require.True(t, change || !m.leader || a.moveLeaders)
			require.True(t, m.leader || a.moveFollowers)
		}
		after := p.after(moves)
		for i, s := range after.shards {
			require.Len(t, s.servers, len(p.shards[i].servers))
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(s.servers))), len(s.servers))
		}
		led, has := p.counts()
		ledAfter, hasAfter := after.counts()
		if len(moves) > 0 {
			better := square(ledAfter) < square(led) || square(ledAfter) == square(led) && square(hasAfter) < square(has)
			require.True(t, better, "%v %v -> %v %v", led, has, ledAfter, hasAfter)
		}
		if spread(led) < 2 && spread(has) < 2 {
			require.Empty(t, moves)
		}
	})
}

// Called again and again it comes to an end at which leaders and replicas are even,
// if everything may be moved and is where it may be.
func TestBalanceComesToAnEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		for i := range p.shards {
			p.shards[i].fixed = false
			p.shards[i].servers = slices.DeleteFunc(slices.Clone(p.shards[i].servers), func(s string) bool { return !slices.Contains(p.servers, s) })
		}
		p.shards = slices.DeleteFunc(p.shards, func(s replicas) bool { return len(s.servers) == 0 })
		rounds := 0
		for ; ; rounds++ {
			moves := balance(p, allowed{true, true, true, 1000})
			if len(moves) == 0 {
				break
			}
			p = p.after(moves)
			for i := range p.shards {
				p.shards[i].fixed = false
			}
		}
		led, has := p.counts()
		require.LessOrEqual(t, spread(led), 1, "%v", p.shards)
		require.LessOrEqual(t, spread(has), 1, "%v", p.shards)
		require.LessOrEqual(t, rounds, 5)
	})
}

// Leaders alone are made as even as the replicas' places allow: nobody who may
// choose freely does better.
func TestLeaderChangesAreOptimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		p.servers = []string{"P0", "P1", "P2", "P3", "P4", "P5"}
		p.shards = p.shards[:min(len(p.shards), 6)]
		for i := range p.shards {
			p.shards[i].fixed = false
		}
		led, _ := p.after(balance(p, allowed{leaderChanges: true, moves: 1000})).counts()
		best := -1
		var try func(i int, counts []int)
		try = func(i int, counts []int) {
			if i == len(p.shards) {
				if s := square(counts); best < 0 || s < best {
					best = s
				}
				return
			}
			for _, server := range p.shards[i].servers {
				at := slices.Index(p.servers, server)
				counts[at]++
				try(i+1, counts)
				counts[at]--
			}
		}
		try(0, make([]int, len(p.servers)))
		require.Equal(t, best, square(led))
	})
}

// A new, empty server gets its share with few moves; what is even stays.
func TestFewMoves(t *testing.T) {
	p := placement{servers: []string{"A", "B", "C", "D"}}
	for i := range 12 {
		on := []string{"A", "B", "C"}
		p.shards = append(p.shards, replicas{name: fmt.Sprint("s", i), servers: []string{on[i%3], on[(i+1)%3]}})
	}
	moves := balance(p, allowed{true, true, true, 1000})
	led, has := p.after(moves).counts()
	require.Equal(t, []int{3, 3, 3, 3}, led)
	require.Equal(t, []int{6, 6, 6, 6}, has)
	require.Len(t, moves, 6, "as many as the new server has replicas: %+v", moves)
	require.Empty(t, balance(p.after(moves), allowed{true, true, true, 1000}))

	p.servers = p.servers[:3] // only leadership is uneven
	for i := range p.shards {
		p.shards[i].servers = []string{"A", "B", "C"}
	}
	moves = balance(p, allowed{leaderChanges: true, moves: 1000})
	led, _ = p.after(moves).counts()
	require.Equal(t, []int{4, 4, 4}, led)
	require.Len(t, moves, 8)
}

// Thousands of shards take a moment only.
func TestBalanceIsFast(t *testing.T) {
	p := placement{}
	for i := range 20 {
		p.servers = append(p.servers, fmt.Sprintf("P%02d", i))
	}
	for i := range 2000 {
		p.shards = append(p.shards, replicas{name: fmt.Sprint("s", i), servers: []string{p.servers[i%5], p.servers[(i+1)%5], p.servers[(i+2)%5]}})
	}
	moves := balance(p, allowed{true, true, true, 300})
	require.Len(t, moves, 300)
}
