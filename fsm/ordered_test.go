package fsm

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// checkBranch verifies order, sizes and balance and returns the depth.
func checkBranch(t tester, b *branch[int]) int {
	if b == nil {
		return 0
	}
	l, r := b.left.count()+1, b.right.count()+1
	require.Equal(t, l+r-1, b.size)
	require.LessOrEqual(t, l, 3*r)
	require.LessOrEqual(t, r, 3*l)
	return 1 + max(checkBranch(t, b.left), checkBranch(t, b.right))
}

// Every version of the map equals a Go map that was changed alongside, also
// after later changes, and stays in balance.
func TestOrderedAgainstAMap(t *testing.T) {
	keys := rapid.StringMatching(`[a-c/ ]{0,3}`)
	rapid.Check(t, func(rt *rapid.T) {
		o, plain := ordered[int]{}, map[string]int{}
		var versions []ordered[int]
		var wants []map[string]int
		for i := range rapid.IntRange(1, 120).Draw(rt, "steps") {
			key := keys.Draw(rt, "key")
			if rapid.IntRange(0, 2).Draw(rt, "what") == 0 {
				o = o.without(key)
				delete(plain, key)
			} else {
				o = o.with(key, i)
				plain[key] = i
			}
			versions, wants = append(versions, o), append(wants, maps.Clone(plain))
		}
		for i, version := range versions {
			checkBranch(rt, version.top)
			require.Equal(rt, wants[i], maps.Collect(version.all()))
		}
		sorted := slices.Sorted(maps.Keys(plain))
		start := keys.Draw(rt, "start")
		at, _ := slices.BinarySearch(sorted, start)
		var got []string
		for key := range o.from(start) {
			got = append(got, key)
		}
		require.Equal(rt, len(sorted)-at, len(got))
		require.True(rt, slices.Equal(sorted[at:], got), "%q from %q", got, start)
	})
}

func TestOrderedStaysShallow(t *testing.T) {
	var rising, falling ordered[int]
	var pairs []pair[int]
	for i := range 10_000 {
		rising = rising.with(strconv.Itoa(1_000_000+i), i)
		falling = falling.with(strconv.Itoa(1_000_000-i), i)
		pairs = append(pairs, pair[int]{strconv.Itoa(1_000_000 + i), i})
	}
	for _, o := range []ordered[int]{rising, falling, orderedFrom(pairs)} {
		require.Equal(t, 10_000, o.len())
		require.LessOrEqual(t, checkBranch(t, o.top), 26)
	}
	for i := range 9_990 {
		rising = rising.without(strconv.Itoa(1_000_000 + i))
		checkBranchRoot(t, rising.top)
	}
	require.Equal(t, 10, rising.len())
	_, ok := rising.find("1009990")
	require.True(t, ok)
	require.Same(t, rising.top, rising.without("absent").top, "nothing changes, nothing is copied")
}

func checkBranchRoot(t tester, b *branch[int]) {
	l, r := b.left.count()+1, b.right.count()+1
	require.True(t, l <= 3*r && r <= 3*l, "%d and %d", l, r)
}

func TestOrderedStopsWhenAsked(t *testing.T) {
	var o ordered[int]
	for i := range 100 {
		o = o.with(strconv.Itoa(100+i), i)
	}
	for stop := range 100 {
		seen := 0
		for range o.from("100") {
			if seen++; seen > stop {
				break
			}
		}
		require.Equal(t, stop+1, seen)
	}
}
