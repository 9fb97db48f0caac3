package failpoint

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

func delaying(t *testing.T, seed uint64, probability float64, longest time.Duration) *Delays {
	d, err := Delay(seed, probability, longest)
	require.NoError(t, err)
	t.Cleanup(d.End)
	return d
}

// took is how long a hit takes.
func took(t *testing.T, point, who string) time.Duration {
	began := time.Now()
	require.NoError(t, Hit(t.Context(), point, who))
	return time.Since(began)
}

func TestWithoutASourceNothingWaits(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		require.Zero(t, took(t, "dbserver/lease/answered", "PRMR-1"))
		d := delaying(t, 1, 1, time.Second)
		require.NotZero(t, took(t, "dbserver/lease/answered", "PRMR-1"))
		require.Equal(t, 1, d.Met())
		d.End()
		d.End()
		require.Zero(t, took(t, "dbserver/lease/answered", "PRMR-1"))
		require.Equal(t, 1, d.Met())
	})
}

func TestDelaysFollowFromTheSeed(t *testing.T) {
	lengths := func(seed uint64, other bool) (all []time.Duration) {
		bubbles.Test(t, func(t *testing.T) {
			d := delaying(t, seed, 0.5, time.Second)
			defer d.End()
			for range 200 {
				all = append(all, took(t, "dbserver/lease/answered", "PRMR-1"))
				if other { // another server, and another point, change nothing
					took(t, "dbserver/lease/answered", "PRMR-2")
					took(t, "agency/write", "PRMR-1")
				}
			}
		})
		return all
	}
	first := lengths(7, false)
	require.Equal(t, first, lengths(7, true))
	require.NotEqual(t, first, lengths(8, false))
	waited, sum := 0, time.Duration(0)
	for _, l := range first {
		require.Less(t, l, time.Second)
		sum += l
		if l > 0 {
			waited++
		}
	}
	require.InDelta(t, 100, waited, 25)
	require.InDelta(t, 0.25, sum.Seconds()/float64(waited), 0.1)
}

// Nothing waits where a mutex is held.
func TestNothingWaitsUnderAMutex(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		d := delaying(t, 1, 1, time.Second)
		for _, point := range underMutex {
			require.Contains(t, points, point)
			require.Zero(t, took(t, point, ""))
		}
		require.Zero(t, d.Met())
		for _, point := range points {
			require.Equal(t, mayWait(point), took(t, point, "x") > 0, point)
		}
		Linger(t.Context(), "cut", "PRMR-1")
		require.Equal(t, len(points)-len(underMutex)+1, d.Met())
	})
}

func TestDelayEndsWithTheContext(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		delaying(t, 1, 1, longestDelay)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		require.NoError(t, Hit(ctx, "agency/write", "AGNT-1"), "a delay is no error")
		require.LessOrEqual(t, time.Since(began), time.Millisecond)
	})
}

func TestOneSourceAtATime(t *testing.T) {
	first := delaying(t, 1, 0.5, time.Second)
	_, err := Delay(2, 0.5, time.Second)
	require.ErrorContains(t, err, "already")
	first.End()
	second := delaying(t, 2, 0.5, time.Second)
	first.End() // does not end the second
	require.Same(t, second, delays.Load())
	second.End()
	for _, wrong := range []struct {
		probability float64
		longest     time.Duration
	}{{0, time.Second}, {-1, time.Second}, {1.1, time.Second}, {0.5, 0}, {0.5, -1}, {0.5, longestDelay + 1}} {
		_, err := Delay(1, wrong.probability, wrong.longest)
		require.Error(t, err, fmt.Sprint(wrong))
	}
	require.Nil(t, delays.Load())
}

func TestManyServersComeAtOnce(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		d := delaying(t, 3, 1, time.Second)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				for range 10 {
					_ = Hit(t.Context(), "agency/write", "AGNT-1")
				}
			})
		}
		all.Wait()
		require.Equal(t, 100, d.Met())
	})
}

// In a program without the tag, and without random delays, a point costs one load:
//
//	go test -run '^$' -bench Hit ./internal/failpoint
func BenchmarkHit(b *testing.B) {
	ctx := b.Context()
	b.Run("none", func(b *testing.B) {
		for b.Loop() {
			_ = nothing(ctx, "dbserver/documents/answer", "PRMR-1")
		}
	})
	b.Run("point", func(b *testing.B) {
		for b.Loop() {
			_ = Hit(ctx, "dbserver/documents/answer", "PRMR-1")
		}
	})
	b.Run("rare delays", func(b *testing.B) {
		d, err := Delay(1, 1e-12, time.Nanosecond)
		require.NoError(b, err)
		defer d.End()
		for b.Loop() {
			_ = Hit(ctx, "dbserver/documents/answer", "PRMR-1")
		}
	})
}

// nothing is a call that is not inlined, to compare with.
//
//go:noinline
func nothing(context.Context, string, string) error { return nil }
