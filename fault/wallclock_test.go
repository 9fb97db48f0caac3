package fault_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
)

func TestWallClocks(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var clocks fault.WallClocks
		now := clocks.Now("dbserver-1")
		require.True(t, time.Now().Equal(now()))
		require.Zero(t, clocks.Of("dbserver-1").Met(), "it was right")
		clocks.Of("dbserver-1").Skew(-3 * time.Hour)
		require.Equal(t, -3*time.Hour, now().Sub(time.Now().Round(0)))
		require.Equal(t, 1, clocks.Of("dbserver-1").Met())
		require.Equal(t, -3*time.Hour, clocks.Of("dbserver-1").Off())
		require.Zero(t, clocks.Of("dbserver-2").Off(), "each has its own")
		clocks.Heal()
		require.True(t, time.Now().Equal(now()))
		require.Equal(t, 1, clocks.Of("dbserver-1").Met())
	})
}
