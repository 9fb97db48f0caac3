package minicluster

import (
	"context"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/bubbles"
)

// An agent that has ended itself, because its disk is full, is started again as any other server when there is room. What it
// ended of is told once: neither Restart nor Stop tells it again.
func TestAgentThatEndedItselfIsStartedAgain(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		net, disks := fault.NewNetwork(), fault.NewDisks()
		c, err := Start(t.Context(), Options{
			Agents: 3, Seams: Seams{Network: net.Host, Disks: disks.FS}, Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Error}),
		})
		require.NoError(t, err)
		require.NoError(t, c.Ready(t.Context()))
		full := disks.Of("agent-1").Fail(fault.Calls{}, syscall.ENOSPC)
		net.Isolate("agent-1") // it stands for election in a new term, which it cannot write down
		require.ErrorIs(t, <-c.Err(), syscall.ENOSPC)
		require.Positive(t, full.Met())
		agents, _, _ := c.Nodes()
		require.Equal(t, control.Broken, agents[0].State)

		require.Error(t, c.Restart(t.Context(), "agent-1"), "its disk is full")
		full.End()
		net.Rejoin("agent-1")
		require.NoError(t, c.Restart(t.Context(), "agent-1"))
		require.NoError(t, c.Ready(t.Context()))
		require.NoError(t, c.Stop(context.Background()))
		require.NoError(t, net.Close())
	})
}
