package workload

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// Clients make long pauses in a lull and short ones while they hurry. What ends a lull wakes those that wait, and an end of the
// context ends every pause.
func TestTempo(t *testing.T) {
	const pace, lull = 10 * time.Millisecond, time.Second
	bubbles.Test(t, func(t *testing.T) {
		tempo := newTempo()
		took := func(ctx context.Context, part float64) time.Duration {
			begun := time.Now()
			tempo.rest(ctx, pace, lull, part)
			return time.Since(begun)
		}
		require.Equal(t, lull, took(t.Context(), 1))
		require.Equal(t, lull/2, took(t.Context(), 0.5))

		tempo.hurry(15 * time.Millisecond)
		require.Equal(t, pace, took(t.Context(), 1))
		require.Equal(t, pace, took(t.Context(), 1))
		require.Equal(t, lull, took(t.Context(), 1), "the hurry is over")

		pauses := make(chan time.Duration, 2)
		for range 2 {
			go func() { pauses <- took(t.Context(), 1) }()
		}
		time.Sleep(100 * time.Millisecond)
		tempo.hurry(time.Millisecond)
		require.Equal(t, 100*time.Millisecond, <-pauses)
		require.Equal(t, 100*time.Millisecond, <-pauses)

		ctx, cancel := context.WithCancel(t.Context())
		go func() { pauses <- took(ctx, 1) }()
		synctest.Wait()
		cancel()
		require.Less(t, <-pauses, lull)
	})
}

// A lull is never shorter than the pace, and is the pace if nothing is said.
func TestLullOfASpec(t *testing.T) {
	w, err := New(Spec{Name: "bank", Pace: 30 * time.Millisecond}, nil)
	require.NoError(t, err)
	require.Equal(t, 30*time.Millisecond, w.Spec().Lull)
	_, err = New(Spec{Name: "bank", Pace: 30 * time.Millisecond, Lull: 20 * time.Millisecond}, nil)
	require.ErrorContains(t, err, "lull 20ms: want the pace, 30ms, or a longer time")
}
