package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// A name is taken, and Plan thaws, between two attempts of a server to enter Plan: the transaction itself requires that the server still
// has its name. That it looks when an attempt has failed is not enough.
func TestNameIsTakenWhilePlanThaws(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		require.NoError(t, agencyclient.Bootstrap(minute(t), c))
		_, err := c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: true}}) // Plan is frozen
		require.NoError(t, err)
		waits := make(chan error, 1)
		go func() {
			_, err := agencyclient.Register(t.Context(), a.client(), named("CRDN-slow", "one"))
			waits <- err
		}()
		time.Sleep(5 * time.Second)
		require.Empty(t, waits, "it waits for the thaw")
		_, err = c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{
			keys.HotBackupCreate: agencyclient.Delete(), keys.ServerRegistered("CRDN-slow"): agencyclient.Delete(),
		}})
		require.NoError(t, err)
		require.ErrorIs(t, <-waits, agencyclient.ErrRejected, "it is in Plan under the name of another")
		root, err := c.Read(minute(t), keys.PlanCoordinators)
		require.NoError(t, err)
		require.False(t, root.At(keys.PlanCoordinators+"/CRDN-slow").Exists())
	})
}
