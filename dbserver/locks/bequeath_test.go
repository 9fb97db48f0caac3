package locks

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// A shard is taken from all that have something of it or wait for it, and given to heirs; what they have in other shards, and who
// waits for that, stays.
func TestBequeath(t *testing.T) {
	why := errors.New("another leads")
	for name, all := range map[string]bool{"keys": false, "whole": true} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				table := NewTable(0)
				s, other := table.Shard("s"), table.Shard("other")
				a, b, heir := tx("1"), tx("2"), Transaction("3", "", time.Time{})
				require.NoError(t, other.Key(t.Context(), a, "o", 0))
				if all {
					require.NoError(t, s.Whole(t.Context(), a, 0))
				} else {
					for _, key := range []string{"x", "y", "z"} {
						require.NoError(t, s.Key(t.Context(), a, key, 0))
					}
				}
				waits := []*call{key(t.Context(), s, b, "x", time.Hour), whole(t.Context(), s, tx("4"), time.Hour)}
				elsewhere := key(t.Context(), other, b, "o", time.Hour)
				synctest.Wait()
				require.NoError(t, s.Bequeath(why, []Heir{{Owner: heir, Keys: []string{"y", "new"}}, {Owner: tx("5")}}))
				for _, c := range waits {
					<-c.done
					require.ErrorIs(t, c.err, why)
				}
				require.NoError(t, s.Key(t.Context(), b, "x", 0), "what is not inherited is held")
				for _, key := range []string{"y", "new"} {
					err := s.Key(t.Context(), b, key, 0)
					require.ErrorIs(t, err, apierror.LockTimeout)
					require.ErrorContains(t, err, "transaction 3 has held it for 0s")
				}
				require.ErrorIs(t, s.Key(t.Context(), &Owner{}, "y", time.Second), ErrLong)
				require.False(t, elsewhere.over(), "a wait in another shard has ended")
				table.Release(a)
				<-elsewhere.done
				require.NoError(t, elsewhere.err)
				require.NoError(t, s.Key(t.Context(), heir, "w", 0))
				table.Release(heir)
				require.NoError(t, s.Key(t.Context(), b, "y", 0))
				require.NoError(t, s.Bequeath(why, []Heir{{Owner: heir, Whole: true}}))
				require.ErrorIs(t, s.Key(t.Context(), b, "q", 0), apierror.LockTimeout)
				table.Release(b)
				table.Release(heir)
				requireFree(t, table, s, other)
			})
		})
	}
}

// Heirs that overlap change nothing.
func TestHeirsOverlap(t *testing.T) {
	table := NewTable(0)
	s := table.Shard("s")
	a := tx("1")
	require.NoError(t, s.Key(t.Context(), a, "x", 0))
	require.ErrorContains(t, s.Bequeath(nil, []Heir{{Owner: tx("2"), Keys: []string{"y"}}, {Owner: tx("3"), Keys: []string{"y"}}}), `"y"`)
	require.ErrorContains(t, s.Bequeath(nil, []Heir{{Owner: tx("2"), Whole: true}, {Owner: tx("3"), Keys: []string{"y"}}}), "as a whole")
	d := tx("4")
	require.ErrorIs(t, s.Key(t.Context(), d, "x", 0), apierror.LockTimeout)
	table.Release(a)
	table.Release(d)
	requireFree(t, table, s)
}

// An owner that has ended gets nothing any more, and what its goroutines wait for ends with the reason.
func TestEnd(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		table := NewTable(0)
		s := table.Shard("s")
		a, b := tx("1"), tx("2")
		require.NoError(t, s.Key(t.Context(), a, "x", 0))
		require.NoError(t, s.Key(t.Context(), b, "y", 0))
		waits := key(t.Context(), s, a, "y", time.Hour)
		synctest.Wait()
		why := errors.New("a backup with force")
		table.End(a, why)
		<-waits.done
		require.ErrorIs(t, waits.err, why)
		require.ErrorIs(t, s.Key(t.Context(), a, "z", time.Hour), why)
		require.ErrorIs(t, s.Whole(t.Context(), a, time.Hour), why)
		require.NoError(t, s.Key(t.Context(), b, "x", 0))
		table.Release(b)
		requireFree(t, table, s)
	})
}
