package minicluster

import (
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/network"
)

// A server that was removed from the cluster does not come back with the directory,
// until it is restarted by name.
func TestRemovedServerStaysAway(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, mode)
			c := start(t, o)
			_, dbservers, _ := c.Nodes()
			gone := dbservers[1]
			require.NoError(t, c.Kill(gone.Name))
			web := network.NewHTTPClient(network.TCP())
			defer web.CloseIdleConnections()
			agency := agencyclient.New(agencyclient.Options{Endpoints: c.servers.agencyURLs(), HTTP: web})
			_, err := agency.Write(t.Context(), agencyclient.Tx{Ops: map[string]any{
				keys.RemovedServers + "/" + gone.ID: "2026-01-01T00:00:00Z", keys.PlanDBServers + "/" + gone.ID: agencyclient.Delete(),
				keys.ServerKnown(gone.ID): agencyclient.Delete(), keys.ServerRegistered(gone.ID): agencyclient.Delete(), keys.PlanVersion: agencyclient.Increment(1),
			}})
			require.NoError(t, err)
			require.NoError(t, c.Stop(t.Context()))

			c = start(t, o)
			_, dbservers, _ = c.Nodes()
			require.False(t, dbservers[0].Removed)
			require.True(t, dbservers[1].Removed)
			require.Zero(t, dbservers[1].PID)
			_, err = browse(t).do("GET", gone.URL+"/_api/version", "")
			require.Error(t, err, "it runs")

			require.NoError(t, c.Restart(t.Context(), gone.Name))
			_, dbservers, _ = c.Nodes()
			require.False(t, dbservers[1].Removed)
			require.NoError(t, c.Ready(t.Context()))
			require.NoError(t, c.Stop(t.Context()))
			c = start(t, o) // it has joined again
			_, dbservers, _ = c.Nodes()
			require.False(t, dbservers[1].Removed)
		})
	}
}
