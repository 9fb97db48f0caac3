package world_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
	"stasis/lab/world"
	"stasis/lab/world/conformance"
)

// All faults of the table are done in a bubble.
func TestFaultsInABubble(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		w, err := world.Start(t.Context(), world.Bubble, world.Config{
			Agents: 3, DBServers: 3, Coordinators: 2, LatencyLeast: 100 * time.Microsecond, LatencyMost: time.Millisecond, Seed: 1, Log: t.Output(), ClockSkew: time.Hour, Buggify: 0.01,
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, w.Close(context.Background())) }()
		conformance.Check(t, w)
		conformance.CheckDelayed(t, w)
	})
}

// All faults of the table are done in one process, over TCP, on real disks.
func TestFaultsInProcess(t *testing.T) {
	w, err := world.Start(t.Context(), world.InProcess, world.Config{
		Agents: 1, DBServers: 2, Coordinators: 1, LatencyLeast: 10 * time.Microsecond, LatencyMost: 100 * time.Microsecond, Seed: 1, Dir: t.TempDir(), Log: t.Output(),
		ClockSkew: time.Hour, Buggify: 0.01,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close(context.Background())) }()
	conformance.Check(t, w)
	conformance.CheckDelayed(t, w)
}

// Of an agency whose agents have lost their disks but one, that one is left.
func TestRecoveryInABubble(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		w, err := world.Start(t.Context(), world.Bubble, world.Config{Agents: 3, Seed: 1, Log: t.Output()})
		require.NoError(t, err)
		defer func() { require.NoError(t, w.Close(context.Background())) }()
		conformance.CheckRecovery(t, w)
	})
}

func TestRecoveryInProcess(t *testing.T) {
	w, err := world.Start(t.Context(), world.InProcess, world.Config{Agents: 3, Seed: 1, Dir: t.TempDir(), Log: t.Output()})
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close(context.Background())) }()
	conformance.CheckRecovery(t, w)
}
