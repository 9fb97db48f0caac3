package locks

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tx makes the owner of a transaction.
func tx(id string) *Owner {
	return &Owner{Patient: true, tx: &transaction{id: id, coordinator: "CRDN-1", begun: time.Now()}}
}

// call is a call of Key or Whole in a goroutine of its own.
type call struct {
	done chan struct{}
	err  error
}

// key asks for a key.
func key(ctx context.Context, s *Shard, o *Owner, k string, limit time.Duration) *call {
	c := &call{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = s.Key(ctx, o, k, limit)
	}()
	return c
}

// whole asks for a whole shard.
func whole(ctx context.Context, s *Shard, o *Owner, limit time.Duration) *call {
	c := &call{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = s.Whole(ctx, o, limit)
	}()
	return c
}

func (c *call) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// held are the keys of a shard that are held.
func held(s *Shard) map[string]*keyLock {
	all := maps.Clone(s.keys)
	if s.first != nil {
		all[s.first.key] = s.first
	}
	return all
}

// requireFree finds that nothing is left in a table.
func requireFree(t require.TestingT, of *Table, shards ...*Shard) {
	of.mu.Lock()
	defer of.mu.Unlock()
	require.Zero(t, of.waiting)
	require.Nil(t, of.busy)
	for _, s := range shards {
		require.Empty(t, held(s))
		require.Nil(t, s.stakes)
		require.Nil(t, s.sole)
		require.Equal(t, queue{}, s.queue)
	}
	for k := of.spare; k != nil; k = k.next {
		require.Equal(t, keyLock{next: k.next}, *k)
	}
}

// requireSound finds whether what a table has in memory agrees with itself, and whether any waiter waits in vain.
func requireSound(t require.TestingT, of *Table, shards ...*Shard) {
	of.mu.Lock()
	defer of.mu.Unlock()
	waits, busy := 0, map[*Shard]bool{}
	for s := of.busy; s != nil; s = s.next {
		busy[s] = true
	}
	for _, s := range shards {
		require.Equal(t, s.stakes != nil, busy[s])
		queued := map[*stake]int{}
		for name, k := range held(s) {
			require.Equal(t, name, k.key)
			require.Same(t, k, s.find(name))
			require.Same(t, s, k.holder.shard, "the holder of a key has a stake in its shard")
			require.Same(t, k.holder, k.holder.owner.stakeIn(s))
			n := soundQueue(t, &k.queue)
			queued[k.holder] += n
			waits += n
			for w := k.queue.first; w != nil; w = w.next {
				require.NotSame(t, k.holder.owner, w.owner, "it waits for itself")
			}
		}
		for st := s.stakes; st != nil; st = st.next {
			require.Equal(t, queued[st], st.queued)
			require.False(t, s.sole != nil && s.sole != st, "a whole shard is shared")
		}
		waits += soundQueue(t, &s.queue)
		if w := s.queue.first; w != nil {
			require.False(t, s.freeFor(w.owner.stakeIn(s), w.whole), "it waits in vain")
		}
	}
	require.Equal(t, waits, of.waiting)
}

func soundQueue(t require.TestingT, q *queue) (n int) {
	last := (*waiter)(nil)
	for w := q.first; w != nil; w = w.next {
		require.Same(t, last, w.prev)
		require.False(t, w.over)
		require.Same(t, q, queueOf(w))
		require.Contains(t, w.owner.waits, w)
		last = w
		n++
	}
	require.Same(t, last, q.last)
	require.Equal(t, n, q.n)
	return n
}

// name is the name of a key.
func name(n int) string { return fmt.Sprint("k", n) }
