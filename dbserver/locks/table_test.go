package locks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// A cycle over keys of two shards is found when the wait that closes it begins, by whichever owner; the message says who
// has what, and for how long.
func TestDeadlockIsRefusedAtOnce(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		table := NewTable(0)
		s1, s2 := table.Shard("s1"), table.Shard("s2")
		a, b, c := tx("17"), tx("18"), tx("19")
		require.NoError(t, s1.Key(t.Context(), a, "x", time.Minute))
		time.Sleep(time.Second)
		require.NoError(t, s2.Key(t.Context(), b, "y", time.Minute))
		require.NoError(t, s2.Key(t.Context(), c, "z", time.Minute))
		time.Sleep(2 * time.Second)
		first := key(t.Context(), s2, a, "y", time.Hour)
		second := key(t.Context(), s2, b, "z", time.Hour)
		synctest.Wait()
		begun := time.Now()
		err := s1.Key(t.Context(), c, "x", time.Hour)
		require.Zero(t, time.Since(begun), "the deadlock is not found at once")
		require.ErrorIs(t, err, apierror.Deadlock)
		require.EqualError(t, err, `deadlock: this would wait for ever: `+
			`transaction 19 of coordinator CRDN-1, which began 3s ago, waits for key "x" of shard s1: transaction 17 of coordinator CRDN-1, which began 3s ago, has held it for 3s; `+
			`transaction 17 of coordinator CRDN-1, which began 3s ago, waits for key "y" of shard s2: transaction 18 of coordinator CRDN-1, which began 3s ago, has held it for 2s; `+
			`transaction 18 of coordinator CRDN-1, which began 3s ago, waits for key "z" of shard s2: transaction 19 of coordinator CRDN-1, which began 3s ago, has held it for 2s. `+
			`Abort the transaction, and begin it again`)
		require.False(t, first.over())
		require.False(t, second.over())

		table.Release(c) // as its client is told
		<-second.done
		require.NoError(t, second.err)
		table.Release(b)
		<-first.done
		require.NoError(t, first.err)
		table.Release(a)
		requireFree(t, table, s1, s2)
	})
}

// Those that wait before a waiter are waited for as well: a cycle through a queue is one.
func TestDeadlockThroughAQueue(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		table := NewTable(0)
		s := table.Shard("s1")
		a, b := tx("1"), tx("2")
		require.NoError(t, s.Key(t.Context(), a, "x", time.Minute))
		all := whole(t.Context(), s, tx("3"), time.Hour)
		synctest.Wait()
		other := table.Shard("s2")
		require.NoError(t, other.Key(t.Context(), b, "y", time.Minute))
		behind := key(t.Context(), s, b, "free", time.Hour)
		synctest.Wait()
		require.False(t, behind.over(), "it has overtaken one that wants the whole shard")
		err := other.Key(t.Context(), a, "y", time.Hour)
		require.ErrorIs(t, err, apierror.Deadlock)
		require.ErrorContains(t, err, "transaction 3 of coordinator CRDN-1, which began 0s ago, waits for it before")
		table.Release(a)
		<-all.done
		require.NoError(t, all.err)
		require.False(t, behind.over())
	})
}

// Two that have a share each, and want the whole, would wait for each other; one alone comes before all that wait.
func TestUpgrade(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		table := NewTable(0)
		s := table.Shard("s1")
		a, b, c := tx("a"), tx("b"), tx("c")
		require.NoError(t, s.Key(t.Context(), a, "x", time.Minute))
		require.NoError(t, s.Key(t.Context(), b, "y", time.Minute))
		behind := whole(t.Context(), s, c, time.Hour)
		synctest.Wait()
		first := whole(t.Context(), s, a, time.Hour)
		synctest.Wait()
		require.ErrorIs(t, s.Whole(t.Context(), b, time.Hour), apierror.Deadlock)
		table.Release(b)
		<-first.done
		require.NoError(t, first.err, "it comes before the one that has nothing")
		require.NoError(t, s.Key(t.Context(), a, "any", 0), "it has all keys")
		require.Len(t, held(s), 1)
		synctest.Wait()
		require.False(t, behind.over())
		table.Release(a)
		<-behind.done
		require.NoError(t, behind.err)
		table.Release(c)
		requireFree(t, table, s)
	})
}

// Waiters have the key in the order in which they came, one after the other.
func TestKeysAreHandedOnInOrder(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		table := NewTable(0)
		s, first := table.Shard("s1"), tx("0")
		require.NoError(t, s.Key(t.Context(), first, "k", time.Minute))
		var order []int // appended to by the holder
		var all sync.WaitGroup
		for i := 1; i <= 5; i++ {
			all.Go(func() {
				o := tx(fmt.Sprint(i))
				if s.Key(t.Context(), o, "k", time.Hour) == nil {
					order = append(order, i)
					time.Sleep(time.Second)
				}
				table.Release(o)
			})
			synctest.Wait()
		}
		table.Release(first)
		all.Wait()
		require.Equal(t, []int{1, 2, 3, 4, 5}, order, "a key is not handed on in the order of arrival")
		requireFree(t, table, s)
	})
}

// A key has one holder, and a whole shard too.
func TestLocksAreExclusive(t *testing.T) {
	late := func(t *testing.T, err error, says string) {
		t.Helper()
		require.ErrorIs(t, err, apierror.LockTimeout, says)
	}
	table := NewTable(0)
	s := table.Shard("s1")
	a, b := tx("a"), tx("b")
	require.NoError(t, s.Key(t.Context(), a, "x", 0))
	late(t, s.Key(t.Context(), b, "x", 0), "a key has two holders")
	late(t, s.Whole(t.Context(), b, 0), "a shard is had as a whole beside a writer")
	require.NoError(t, s.Key(t.Context(), b, "y", 0), "another key")
	require.NoError(t, s.Key(t.Context(), a, "x", 0), "again")
	table.Release(a)
	require.NoError(t, s.Whole(t.Context(), b, 0), "the other has gone")
	late(t, s.Key(t.Context(), a, "z", 0), "a key beside the holder of the shard")
	late(t, s.Whole(t.Context(), a, 0), "a shard is had twice as a whole")
	table.Release(b)
	requireFree(t, table, s)
}

// Keys that are different never wait for each other.
func TestNoFalseConflicts(t *testing.T) {
	table := NewTable(0)
	s, other := table.Shard("s1"), table.Shard("s2")
	holder, writer := tx("1"), &Owner{}
	for n := range 1000 {
		require.NoError(t, s.Key(t.Context(), holder, name(n), 0))
	}
	for n := range 10_000 {
		require.NoError(t, s.Key(t.Context(), writer, name(1000+n), 0))
		table.Release(writer)
	}
	require.NoError(t, other.Key(t.Context(), writer, name(1), 0), "another shard")
	table.Release(writer)
	require.ErrorIs(t, s.Key(t.Context(), writer, name(1), 0), ErrLong)
	table.Release(writer)
	table.Release(holder)
	requireFree(t, table, s, other)
}

// A brief owner waits for brief ones only.
func TestBriefOwnersDoNotWaitForLong(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		table := NewTable(0)
		s := table.Shard("s1")
		long, first, second := tx("1"), &Owner{}, &Owner{}
		require.NoError(t, s.Key(t.Context(), first, "k", 0))
		waits := key(t.Context(), s, second, "k", time.Hour)
		synctest.Wait()
		require.False(t, waits.over(), "it waits for one that is brief")
		behind := key(t.Context(), s, long, "k", time.Hour)
		synctest.Wait()
		third := &Owner{}
		require.ErrorIs(t, s.Key(t.Context(), third, "k", time.Minute), ErrLong, "a brief owner waits behind a patient one")
		table.Release(third)
		require.ErrorIs(t, s.Whole(t.Context(), third, time.Minute), ErrLong, "a brief owner waits for the share of a patient one")
		table.Release(third)
		third.Patient = true
		last := key(t.Context(), s, third, "k", time.Hour)
		for _, o := range []*Owner{first, second, long} {
			synctest.Wait()
			table.Release(o)
		}
		for _, c := range []*call{waits, behind, last} {
			<-c.done
			require.NoError(t, c.err)
		}
		table.Release(third)
		requireFree(t, table, s)
	})
}

// A wait ends after its limit or with its context, and names the holder; it leaves nothing.
func TestWaitsEnd(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		table := NewTable(2)
		s := table.Shard("s101")
		holder, o := tx("10203"), tx("7")
		require.NoError(t, s.Key(t.Context(), holder, "k", 0))
		time.Sleep(time.Second)
		begun := time.Now()
		err := s.Key(t.Context(), o, "k", 5*time.Second)
		require.Equal(t, 5*time.Second, time.Since(begun))
		require.ErrorIs(t, err, apierror.LockTimeout)
		require.EqualError(t, err, `timeout: key "k" of shard s101 was not free within 5s: transaction 10203 of coordinator CRDN-1, which began 6s ago, has held it for 6s`)

		gone := errors.New("the client has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		c := key(ctx, s, o, "k", time.Hour)
		time.Sleep(time.Second)
		cancel(gone)
		<-c.done
		require.ErrorIs(t, c.err, gone)
		require.EqualError(t, c.err, `wait for key "k" of shard s101, for 1s until now: transaction 10203 of coordinator CRDN-1, which began 7s ago, has held it for 7s: the client has gone`)
		require.ErrorIs(t, s.Key(ctx, o, "k", time.Hour), gone, "a context that has ended")

		first, second := key(t.Context(), s, o, "k", time.Hour), key(t.Context(), s, tx("8"), "k", time.Hour)
		synctest.Wait()
		err = s.Key(t.Context(), tx("9"), "k", time.Hour)
		require.ErrorIs(t, err, apierror.ResourceLimit)
		require.ErrorContains(t, err, `key "k" of shard s101 is not free, and 2 operations wait for locks on this server already: try again later: transaction 10203`)
		require.ErrorContains(t, err, "; 2 waited before this one")

		table.Release(o) // as an abort does
		<-first.done
		require.ErrorIs(t, first.err, errReleased)
		table.Release(holder)
		<-second.done
		require.NoError(t, second.err)
	})
}

// Several goroutines of a transaction wait for the same key, and have it together.
func TestGoroutinesOfOneOwner(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		table := NewTable(0)
		s := table.Shard("s1")
		holder, o, other := tx("1"), tx("2"), tx("3")
		require.NoError(t, s.Key(t.Context(), holder, "k", 0))
		calls := []*call{key(t.Context(), s, o, "k", time.Hour)}
		synctest.Wait()
		between := key(t.Context(), s, other, "k", time.Hour)
		synctest.Wait()
		calls = append(calls, key(t.Context(), s, o, "k", time.Hour))
		synctest.Wait()
		table.Release(holder)
		for _, c := range calls {
			<-c.done
			require.NoError(t, c.err)
		}
		synctest.Wait()
		require.False(t, between.over())
		table.Release(o)
		<-between.done
		table.Release(other)
		requireFree(t, table, s)
	})
}

// Under load by many goroutines a key has one holder at a time, every wait ends, and nothing is left.
func TestManyOwners(t *testing.T) {
	table := NewTable(0)
	shards := []*Shard{table.Shard("s0"), table.Shard("s1")}
	var inside [2][4]int // written by the holder alone: the race detector watches
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // a test
			for i := range 300 {
				o := &Owner{}
				if n%2 == 0 {
					o = tx(fmt.Sprint(n, "-", i))
				}
				for range 1 + random.IntN(3) {
					at, k := random.IntN(2), random.IntN(4)
					if random.IntN(20) == 0 {
						if shards[at].Whole(t.Context(), o, time.Minute) == nil {
							for k := range 4 {
								inside[at][k]++
							}
						}
					} else if shards[at].Key(t.Context(), o, name(k), time.Minute) == nil {
						inside[at][k]++
					}
				}
				table.Release(o)
			}
		})
	}
	all.Wait()
	requireFree(t, table, shards...)
	require.Positive(t, inside[0][0])
}

// An owner that was used with another table, as a single operation's is after a restore, hides no cycle.
func TestOwnerOfAnotherTable(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		o := &Owner{Patient: true}
		for range 2 {
			table := NewTable(0)
			s, other := table.Shard("s1"), table.Shard("s2")
			a, b := tx("1"), tx("2")
			require.NoError(t, s.Key(t.Context(), a, "x", 0))
			require.NoError(t, other.Key(t.Context(), b, "y", 0))
			all := whole(t.Context(), s, o, time.Hour)
			synctest.Wait()
			behind := key(t.Context(), s, b, "free", time.Hour)
			synctest.Wait()
			require.ErrorIs(t, other.Key(t.Context(), a, "y", time.Minute), apierror.Deadlock)
			for _, owner := range []*Owner{a, o, b} {
				table.Release(owner)
			}
			<-all.done
			<-behind.done
			requireFree(t, table, s, other)
		}
	})
}

// A lock that is free costs no memory, and what has been locked leaves none.
func TestFreeLocksCostNothing(t *testing.T) {
	table := NewTable(0)
	s, o := table.Shard("s1"), &Owner{}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := s.Key(t.Context(), o, "k", time.Minute); err != nil {
			panic(err)
		}
		table.Release(o)
	}))
	large := tx("1")
	for n := range 2 * roomy {
		require.NoError(t, s.Key(t.Context(), large, name(n), 0))
	}
	table.Release(large)
	require.LessOrEqual(t, table.spares, maxSpares)
	require.Zero(t, s.most, "the map is as large as it was")
	requireFree(t, table, s)
}
