package wall_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
	"stasis/internal/wall"
)

func TestClock(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var system wall.Clock
		ahead := wall.Clock(func() time.Time { return time.Now().Add(time.Hour) })
		require.True(t, time.Now().Equal(system.Now()))
		require.Equal(t, time.Hour, ahead.Now().Sub(system.Now()))
		require.Equal(t, system.Stamp(), time.Now().UTC().Format(time.RFC3339))
		require.Equal(t, system.After(time.Hour), ahead.Stamp())
		require.Equal(t, system.Milli()+time.Hour.Milliseconds(), ahead.Milli())
		moment := time.Now()
		time.Sleep(time.Minute)
		require.True(t, moment.Equal(system.Of(moment)))
		require.True(t, moment.Add(time.Hour).Equal(ahead.Of(moment)))
		for _, c := range []wall.Clock{system, ahead} {
			require.Equal(t, c.Now().Round(0), c.Now(), "no monotonic reading")
		}
	})
}
