package balance

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawn is any placement: some servers may be used, others hold shards all the same.
func drawn(t *rapid.T) Placement {
	n := rapid.IntRange(1, 6).Draw(t, "servers")
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("P%d", i)
	}
	p := Placement{Servers: all[:rapid.IntRange(1, n).Draw(t, "usable")]}
	for i := range rapid.IntRange(0, 25).Draw(t, "shards") {
		on := rapid.Permutation(all).Draw(t, "order")
		factor := rapid.IntRange(1, n).Draw(t, "factor")
		if rapid.Bool().Draw(t, "together") { // most have much in common, or all would be even by chance
			slices.Sort(on)
		}
		p.Shards = append(p.Shards, Shard{Database: "d", Collection: "1", Name: fmt.Sprintf("s%d", i), Servers: on[:factor], Fixed: rapid.IntRange(0, 9).Draw(t, "fixed") == 0})
	}
	return p
}

func (p Placement) counts() (led, has []int) {
	led, has = make([]int, len(p.Servers)), make([]int, len(p.Servers))
	for _, s := range p.Shards {
		for i, server := range s.Servers {
			if at := slices.Index(p.Servers, server); at >= 0 {
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
		a := Allowed{rapid.Bool().Draw(t, "changes"), rapid.Bool().Draw(t, "leaders"), rapid.Bool().Draw(t, "followers"), rapid.IntRange(0, 10).Draw(t, "moves")}
		moves := Moves(p, a)
		require.LessOrEqual(t, len(moves), a.Moves)
		seen := map[int]bool{}
		for _, m := range moves {
			s := p.Shards[m.Shard]
			require.False(t, s.Fixed)
			require.False(t, seen[m.Shard], "once at most")
			seen[m.Shard] = true
			require.Contains(t, s.Servers, m.From)
			require.Contains(t, p.Servers, m.To)
			require.Equal(t, s.Servers[0] == m.From, m.Leader)
			change := slices.Contains(s.Servers, m.To)
			require.True(t, !change || m.Leader)
			require.True(t, !change || a.LeaderChanges)
			require.True(t, change || !m.Leader || a.MoveLeaders)
			require.True(t, m.Leader || a.MoveFollowers)
		}
		after := p.After(moves)
		for i, s := range after.Shards {
			require.Len(t, s.Servers, len(p.Shards[i].Servers))
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(s.Servers))), len(s.Servers))
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
		for i := range p.Shards {
			p.Shards[i].Fixed = false
			p.Shards[i].Servers = slices.DeleteFunc(slices.Clone(p.Shards[i].Servers), func(s string) bool { return !slices.Contains(p.Servers, s) })
		}
		p.Shards = slices.DeleteFunc(p.Shards, func(s Shard) bool { return len(s.Servers) == 0 })
		rounds := 0
		for ; ; rounds++ {
			moves := Moves(p, Allowed{true, true, true, 1000})
			if len(moves) == 0 {
				break
			}
			p = p.After(moves)
			for i := range p.Shards {
				p.Shards[i].Fixed = false
			}
		}
		led, has := p.counts()
		require.LessOrEqual(t, spread(led), 1, "%v", p.Shards)
		require.LessOrEqual(t, spread(has), 1, "%v", p.Shards)
		require.LessOrEqual(t, rounds, 5)
	})
}

// Leaders alone become as even as the places of the replicas allow: no other choice of leaders is
// better.
func TestLeaderChangesAreOptimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		p.Servers = []string{"P0", "P1", "P2", "P3", "P4", "P5"}
		p.Shards = p.Shards[:min(len(p.Shards), 6)]
		for i := range p.Shards {
			p.Shards[i].Fixed = false
		}
		led, _ := p.After(Moves(p, Allowed{LeaderChanges: true, Moves: 1000})).counts()
		best := -1
		var try func(i int, counts []int)
		try = func(i int, counts []int) {
			if i == len(p.Shards) {
				if s := square(counts); best < 0 || s < best {
					best = s
				}
				return
			}
			for _, server := range p.Shards[i].Servers {
				at := slices.Index(p.Servers, server)
				counts[at]++
				try(i+1, counts)
				counts[at]--
			}
		}
		try(0, make([]int, len(p.Servers)))
		require.Equal(t, best, square(led))
	})
}

// A new, empty server gets its share with few moves; what is even stays.
func TestFewMoves(t *testing.T) {
	p := Placement{Servers: []string{"A", "B", "C", "D"}}
	for i := range 12 {
		on := []string{"A", "B", "C"}
		p.Shards = append(p.Shards, Shard{Name: fmt.Sprint("s", i), Servers: []string{on[i%3], on[(i+1)%3]}})
	}
	moves := Moves(p, Allowed{true, true, true, 1000})
	led, has := p.After(moves).counts()
	require.Equal(t, []int{3, 3, 3, 3}, led)
	require.Equal(t, []int{6, 6, 6, 6}, has)
	require.Len(t, moves, 6, "as many as the new server has replicas: %+v", moves)
	require.Empty(t, Moves(p.After(moves), Allowed{true, true, true, 1000}))

	p.Servers = p.Servers[:3] // only leadership is uneven
	for i := range p.Shards {
		p.Shards[i].Servers = []string{"A", "B", "C"}
	}
	moves = Moves(p, Allowed{LeaderChanges: true, Moves: 1000})
	led, _ = p.After(moves).counts()
	require.Equal(t, []int{4, 4, 4}, led)
	require.Len(t, moves, 8)
}

// Thousands of shards take a moment only.
func TestBalanceIsFast(t *testing.T) {
	p := Placement{}
	for i := range 20 {
		p.Servers = append(p.Servers, fmt.Sprintf("P%02d", i))
	}
	for i := range 2000 {
		p.Shards = append(p.Shards, Shard{Name: fmt.Sprint("s", i), Servers: []string{p.Servers[i%5], p.Servers[(i+1)%5], p.Servers[(i+2)%5]}})
	}
	moves := Moves(p, Allowed{true, true, true, 300})
	require.Len(t, moves, 300)
}
