package fault_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/failpoint"
)

// A server waits at the points of its code, and after what it tells, with none of the sinks' doing.
func TestBuggifyDelaysAServer(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var told []time.Time
		steps := event.From("PRMR-1", func(context.Context, event.Event) { told = append(told, time.Now()) })
		work := func() time.Duration {
			began := time.Now()
			require.NoError(t, failpoint.Hit(t.Context(), "dbserver/lease/answered", "PRMR-1"))
			between := time.Now()
			steps.Emit(t.Context(), event.Event{Step: event.CutDone})
			require.Equal(t, between, told[len(told)-1], "the fact is told before the server waits")
			return time.Since(began)
		}
		require.Zero(t, work())
		b, err := fault.Buggify(5, 1, 100*time.Millisecond)
		require.NoError(t, err)
		_, err = fault.Buggify(5, 1, 100*time.Millisecond)
		require.Error(t, err)
		first := work()
		require.Positive(t, first)
		require.Equal(t, 2, b.Met())
		b.End()
		require.Zero(t, work())
		again, err := fault.Buggify(5, 1, 100*time.Millisecond)
		require.NoError(t, err)
		defer again.End()
		require.Equal(t, first, work(), "the same seed, the same delays")
	})
}

func TestBuggifyRefusesNonsense(t *testing.T) {
	_, err := fault.Buggify(1, 0, time.Second)
	require.ErrorContains(t, err, "probability")
	_, err = fault.Buggify(1, 0.1, time.Hour)
	require.ErrorContains(t, err, "at most")
}
