package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// named is a server of a name at an address of its own.
func named(id, name string) agencyclient.Registration {
	return agencyclient.Registration{ID: id, Role: agencyclient.Coordinator, Endpoint: "tcp://" + id + ":1", Process: keys.Process{Name: name}}
}

// A server announces itself under a name and dies before it is in Plan: another one can have the name. If the first
// one lives, and only waits for the thaw, it does not get into Plan with the name of another.
func TestNameOfAServerThatNeverEnteredPlan(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		require.NoError(t, agencyclient.Bootstrap(minute(t), c))
		_, err := c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: true}}) // Plan is frozen
		require.NoError(t, err)
		dies, kill := context.WithTimeout(t.Context(), 5*time.Second)
		defer kill()
		_, err = agencyclient.Register(dies, c, named("CRDN-dead", "one"))
		require.Error(t, err)
		waits := make(chan error, 1)
		go func() {
			_, err := agencyclient.Register(t.Context(), a.client(), named("CRDN-slow", "one"))
			waits <- err
		}()
		time.Sleep(5 * time.Second)
		require.Empty(t, waits, "it waits for the thaw")

		third := make(chan error, 1)
		go func() {
			_, err := agencyclient.Register(t.Context(), a.client(), named("CRDN-new", "one"))
			third <- err
		}()
		time.Sleep(5 * time.Second)
		_, err = c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete()}})
		require.NoError(t, err)
		require.NoError(t, <-third)
		require.ErrorIs(t, <-waits, agencyclient.ErrRejected, "two servers of one name are in Plan")
		root, err := c.Read(minute(t), keys.PlanCoordinators, keys.CurrentServersRegistered)
		require.NoError(t, err)
		for id, there := range map[string]bool{"CRDN-dead": false, "CRDN-slow": false, "CRDN-new": true} {
			require.Equal(t, there, root.At(keys.PlanCoordinators+"/"+id).Exists(), id)
			require.Equal(t, there, root.At(keys.ServerRegistered(id)).Exists(), id)
		}
		_, err = agencyclient.Register(minute(t), c, named("CRDN-late", "one"))
		require.ErrorIs(t, err, agencyclient.ErrRejected, "it is taken by a server in Plan")
	})
}
