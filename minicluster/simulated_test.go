package minicluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

// simulate runs a test on a cluster of which everything is in memory, in a bubble.
func simulate(t *testing.T, test func(*testing.T, *Cluster, *fault.Network, browser)) {
	bubbles.Test(t, func(t *testing.T) {
		memory := fault.NewNetwork()
		disks := map[string]vfs.FS{}
		for _, name := range []string{"agent-1", "agent-2", "agent-3", "dbserver-1", "dbserver-2", "coordinator-1"} {
			disks[name] = vfs.NewMem()
		}
		c, err := Start(t.Context(), Options{
			Agents: 3, DBServers: 2, Coordinators: 1,
			Seams:  Seams{Network: memory.Host, Disks: func(server string) vfs.FS { return disks[server] }},
			Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Error}),
		})
		require.NoError(t, err)
		require.NoError(t, c.Ready(t.Context()))
		b := browser{T: t, http: network.NewHTTPClient(memory.Host("browser"))}
		test(t, c, memory, b)
		b.http.CloseIdleConnections()
		require.NoError(t, c.Stop(context.Background()))
		require.NoError(t, memory.Close())
	})
}

// The same cluster runs in a bubble, survives partitions and restarts, and
// leaves no goroutine (the bubble would not end).
func TestSimulatedCluster(t *testing.T) {
	simulate(t, func(t *testing.T, c *Cluster, m *fault.Network, b browser) {
		_, _, coordinators := c.Nodes()
		url := coordinators[0].URL
		require.Equal(t, "http://coordinator-1:10000", url)
		b.must("POST", url+"/_api/collection", `{"name":"c","numberOfShards":2}`)
		b.must("POST", url+"/_api/document/c", `{"_key":"k","v":1}`)

		m.Isolate("agent-1")
		m.Isolate("dbserver-1")
		m.Isolate("dbserver-2")
		begun := time.Now()
		_, err := b.do("GET", url+"/_api/document/c/k", "")
		require.Error(t, err)
		require.Positive(t, time.Since(begun), "virtual time passed")
		m.HealAll()
		require.NoError(t, c.Ready(t.Context()))
		require.Contains(t, b.must("GET", url+"/_api/document/c/k", ""), `"v":1`)

		c.KillAll()
		require.NoError(t, c.start(t.Context()))
		require.NoError(t, c.Ready(t.Context()))
		require.Contains(t, b.must("GET", url+"/_api/document/c/k", ""), `"v":1`, "memory disks and logs are kept")
	})
}

// TestFirstStartWithoutAnAgent: a cluster of which one agent does not answer at the first
// start is not ready; the error names the agent, and why it is needed.
func TestFirstStartWithoutAnAgent(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		memory := fault.NewNetwork()
		memory.Freeze("agent-2")
		c, err := Start(t.Context(), Options{
			Agents: 3, Seams: Seams{Network: memory.Host, Disks: func(string) vfs.FS { return vfs.NewMem() }},
			Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Error}),
		})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err = c.Ready(ctx)
		cancel()
		defer func() { // also after a failure: the bubble would complain of nothing else
			memory.HealAll()
			if err := errors.Join(c.Stop(context.Background()), memory.Close()); err != nil {
				t.Error(err)
			}
		}()
		require.ErrorContains(t, err, "agent-1: a new agency is founded when every named agent has answered that it has nothing")
		require.ErrorContains(t, err, "(agent-2:10201) does not answer")
		memory.HealAll()
		require.NoError(t, c.Ready(t.Context()))
	})
}
