package minicluster

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

// An agent that has ended itself, because its disk is full, is started again as any other server when there is room. What it
// ended of is told once: neither Restart nor Stop tells it again.
func TestAgentThatEndedItselfIsStartedAgain(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		net, disks := fault.NewNetwork(), fault.NewDisks()
		c, err := Start(t.Context(), Options{
			Agents: 1, Seams: Seams{Network: net.Host, Disks: disks.FS}, Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Error}),
		})
		require.NoError(t, err)
		require.NoError(t, c.Ready(t.Context()))
		full := disks.Of("agent-1").Fail(fault.Calls{}, syscall.ENOSPC)
		agents, _, _ := c.Nodes()
		b := browser{T: t, http: network.NewHTTPClient(net.Host("browser"))}
		defer b.http.CloseIdleConnections()
		_, err = b.do("POST", agents[0].URL+"/_api/agency/write", `[[{"/x":1}]]`)
		require.Error(t, err)
		select { // it leads no more, and stands for election in a term that it cannot write down
		case err := <-c.Err():
			require.ErrorIs(t, err, syscall.ENOSPC)
		case <-time.After(time.Minute):
			require.Fail(t, "it goes on")
		}
		require.Positive(t, full.Met())
		agents, _, _ = c.Nodes()
		require.Equal(t, control.Broken, agents[0].State)

		require.ErrorContains(t, c.Launch(t.Context(), "agent-1"), "start agent-1", "its disk is full, and it does not run")
		require.ErrorContains(t, c.Restart(t.Context(), "agent-1"), "start agent-1", "its disk is full")
		full.End()
		require.NoError(t, c.Restart(t.Context(), "agent-1"))
		require.NoError(t, c.Ready(t.Context()))
		require.NoError(t, c.Stop(context.Background()))
		require.NoError(t, net.Close())
	})
}
