package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A grace period that leases cannot keep up with is refused before anything is made.
func TestGraceFloor(t *testing.T) {
	cmd := agentCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs([]string{"--dir", t.TempDir(), "--listen", "127.0.0.1:0", "--grace", "2s"})
	require.EqualError(t, cmd.ExecuteContext(t.Context()), "--grace 2s: want 3s or more")
}
