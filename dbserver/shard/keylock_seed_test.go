package shard

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Which keys share a lock follows from the seed alone, and keys are spread over all locks.
func TestKeyLocksFollowFromTheSeed(t *testing.T) {
	a, b, other := &keyLocks{seed: 5}, &keyLocks{seed: 5}, &keyLocks{seed: 6}
	index := func(l *keyLocks, key string) int {
		at := l.of(key)
		for i := range l.mu {
			if at == &l.mu[i] {
				return i
			}
		}
		return -1
	}
	used, moved := map[int]int{}, 0
	for n := range 100 * stripes {
		key := fmt.Sprint("k", n)
		i := index(a, key)
		require.Equal(t, i, index(b, key))
		used[i]++
		if index(other, key) != i {
			moved++
		}
	}
	require.Len(t, used, stripes)
	for _, n := range used {
		require.Less(t, n, 400)
	}
	require.Greater(t, moved, 50*stripes)
}
