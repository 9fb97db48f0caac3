package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// A grace period that leases cannot keep up with is refused before anything is made.
func TestGraceFloor(t *testing.T) {
	cmd := agentCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs([]string{"--dir", t.TempDir(), "--listen", "127.0.0.1:0", "--grace", "2s"})
	require.EqualError(t, cmd.ExecuteContext(t.Context()), "--grace 2s: want 3s or more")
}

// So is a time after which an agent would end because its disk is a little slow.
func TestDiskTimeoutFloor(t *testing.T) {
	cmd := agentCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs([]string{"--dir", t.TempDir(), "--listen", "127.0.0.1:0", "--disk-timeout", "2s"})
	require.EqualError(t, cmd.ExecuteContext(t.Context()), "--disk-timeout 2s: want 10s or more")
}

// The former name of --leader-grace still works. The help does not show it.
func TestFormerNameOfTheLeaderGrace(t *testing.T) {
	f := agentCommand().Flags()
	require.NoError(t, f.Parse([]string{"--settle", "1m"}))
	require.Equal(t, "1m0s", f.Lookup("leader-grace").Value.String())
	require.NotContains(t, f.FlagUsages(), "settle")
}

// A server that cannot be closed does not keep the command from ending.
func TestStopEnds(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		thawed := make(chan struct{})
		begun := time.Now()
		err := stop(t.Context(), func(context.Context) error { <-thawed; return nil }, 15*time.Second)
		require.ErrorContains(t, err, "not stopped within 20s: a disk may hang")
		require.Equal(t, 20*time.Second, time.Since(begun))
		close(thawed)
		boom := errors.New("boom")
		require.ErrorIs(t, stop(t.Context(), func(context.Context) error { return boom }, time.Second), boom)
	})
}
