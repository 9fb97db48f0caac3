package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fault"
)

// Every server bootstraps at once; one transaction wins, and no server's cluster is
// overwritten later.
func TestBootstrapByAllAtOnce(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		errs := make(chan error, 5)
		for range cap(errs) {
			go func() { errs <- agencyclient.Bootstrap(t.Context(), a.client()) }()
		}
		for range cap(errs) {
			require.NoError(t, <-errs)
		}
		root, err := c.Read(minute(t), "/")
		require.NoError(t, err)
		cluster := root.At(keys.Cluster).Text()
		require.Len(t, cluster, 36)
		version, _ := root.At(keys.PlanVersion).Int()
		require.EqualValues(t, 1, version)
		var db keys.Database
		require.NoError(t, root.At(keys.PlanDatabase("_system")).Decode(&db))
		require.True(t, db.IsSystem)
		for _, key := range []string{
			keys.InitDone, keys.PlanCollections + "/_system", keys.PlanDBServers, keys.PlanCoordinators,
			keys.CurrentDatabases, keys.CurrentVersion, keys.TargetToDo, keys.TargetPending, keys.RestoreEpoch,
			keys.SupervisionState, keys.Target + "/CleanedServers",
		} {
			require.True(t, root.At(key).Exists(), key)
		}
		require.False(t, root.At(keys.HotBackup).Exists())
		require.NoError(t, agencyclient.Bootstrap(minute(t), c))
		root, err = c.Read(minute(t), keys.Cluster)
		require.NoError(t, err)
		require.Equal(t, cluster, root.At(keys.Cluster).Text())
	})
}

func TestBootstrapRefusesAForeignPlan(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		_, err := agencyclient.Register(minute(t), c, agencyclient.Registration{ID: "PRMR-1", Role: agencyclient.DBServer})
		require.ErrorIs(t, err, agencyclient.ErrRejected, "not bootstrapped")
		_, err = c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{keys.Plan + "/Odd": 1}})
		require.NoError(t, err)
		require.ErrorIs(t, agencyclient.Bootstrap(minute(t), c), agencyclient.ErrRejected)
	})
}

// Each start has a higher reboot id; short names are given once and in order,
// also when all register together.
func TestRegister(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		require.NoError(t, agencyclient.Bootstrap(minute(t), c))
		errs := make(chan error, 6)
		for n := range cap(errs) {
			role, prefix := agencyclient.DBServer, "PRMR-"
			if n%2 == 1 {
				role, prefix = agencyclient.Coordinator, "CRDN-"
			}
			go func() {
				r := agencyclient.Registration{ID: fmt.Sprint(prefix, n), Role: role, Endpoint: "tcp://h:1"}
				first, err := agencyclient.Register(t.Context(), c, r)
				second, err2 := agencyclient.Register(t.Context(), c, r)
				if err == nil && err2 == nil && (first != 1 || second != 2) {
					err = fmt.Errorf("reboot ids %d, %d", first, second)
				}
				errs <- errors.Join(err, err2)
			}()
		}
		for range cap(errs) {
			require.NoError(t, <-errs)
		}
		root, err := c.Read(minute(t), keys.Root)
		require.NoError(t, err)
		require.Equal(t, 3, root.At(keys.PlanDBServers).Len())
		require.Equal(t, 3, root.At(keys.PlanCoordinators).Len())
		names := map[string]bool{}
		for id, short := range root.At(keys.ShortIDs).Children() {
			names[short.At("ShortName").Text()] = true
			require.True(t, root.At(keys.ServerRegistered(id)+"/endpoint").Exists())
		}
		for _, name := range []string{"DBServer0001", "DBServer0002", "DBServer0003", "Coordinator0001", "Coordinator0002", "Coordinator0003"} {
			require.True(t, names[name], name)
		}
		var known keys.Known
		require.NoError(t, root.At(keys.ServerKnown("PRMR-0")).Decode(&known))
		require.Equal(t, keys.Known{RebootID: 2}, known)
	})
}

// A new server enters Plan after the thaw; one that is in Plan already does not
// wait for anything.
func TestRegisterWaitsForTheThaw(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		require.NoError(t, agencyclient.Bootstrap(minute(t), c))
		old := agencyclient.Registration{ID: "PRMR-old", Role: agencyclient.DBServer}
		_, err := agencyclient.Register(minute(t), c, old)
		require.NoError(t, err)
		_, err = c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{
			keys.HotBackupCreate: "now",
			keys.HotBackupHolder: keys.Holder{Nonce: "n", LeaseSeconds: 100},
		}})
		require.NoError(t, err)
		_, err = agencyclient.Register(minute(t), c, old)
		require.NoError(t, err)

		done := make(chan error, 1)
		go func() {
			_, err := agencyclient.Register(t.Context(), c, agencyclient.Registration{ID: "PRMR-new", Role: agencyclient.DBServer})
			done <- err
		}()
		time.Sleep(20 * time.Second)
		root, err := c.Read(minute(t), keys.Plan, keys.CurrentServersKnown)
		require.NoError(t, err)
		require.False(t, root.At(keys.PlanDBServers+"/PRMR-new").Exists())
		require.True(t, root.At(keys.ServerKnown("PRMR-new")).Exists())
		_, err = c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete()}})
		require.NoError(t, err)
		require.NoError(t, <-done)
		root, err = c.Read(minute(t), keys.PlanDBServers)
		require.NoError(t, err)
		require.True(t, root.At(keys.PlanDBServers+"/PRMR-new").Exists())
	})
}

// An empty new server must not pass for one that holds an older epoch's data; a
// server of Plan that has yet to catch up may register.
func TestRegisterAtAnotherEpoch(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		require.NoError(t, agencyclient.Bootstrap(minute(t), c))
		one := agencyclient.Registration{ID: "PRMR-1", Role: agencyclient.DBServer}
		_, err := agencyclient.Register(minute(t), c, one)
		require.NoError(t, err)
		_, err = c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{keys.RestoreEpoch: 1}})
		require.NoError(t, err)
		_, err = agencyclient.Register(minute(t), c, one)
		require.NoError(t, err)
		two := agencyclient.Registration{ID: "PRMR-2", Role: agencyclient.DBServer}
		_, err = agencyclient.Register(minute(t), c, two)
		require.ErrorIs(t, err, agencyclient.ErrEpochMoved)
		two.Epoch = 1
		_, err = agencyclient.Register(minute(t), c, two)
		require.NoError(t, err)
	})
}

// No number is given out twice.
func TestReserveIDs(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, c *agencyclient.Client) {
		require.NoError(t, agencyclient.Bootstrap(minute(t), c))
		firsts := make(chan uint64, 10)
		for range cap(firsts) {
			go func() {
				first, err := agencyclient.ReserveIDs(t.Context(), c, 7)
				if err != nil {
					first = 0
				}
				firsts <- first
			}()
		}
		seen := map[uint64]bool{}
		for range cap(firsts) {
			first := <-firsts
			require.NotZero(t, first)
			for n := first; n < first+7; n++ {
				require.False(t, seen[n], n)
				seen[n] = true
			}
		}
		require.True(t, seen[2] && seen[71], "without holes")
	})
}

// TestEmptyWorldIsNotBootstrapped: all agents have lost their disks and have founded
// another agency. A coordinator that restarts does not bootstrap a cluster there,
// and what it sends is not done.
func TestEmptyWorldIsNotBootstrapped(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, first *agencyclient.Client) {
		require.NoError(t, agencyclient.Bootstrap(minute(t), first))
		root, err := first.Read(minute(t), keys.Cluster)
		require.NoError(t, err)
		require.Equal(t, first.Origin().Agency, root.At(keys.Cluster).Text(), "a cluster's UUID is its agency's")
		for _, name := range []string{"a", "b", "c"} {
			a.kill(name)
			a.stores[name] = fault.NewDisk()
		}
		for name := range a.stores {
			a.start(name)
		}
		a.leader()
		again := agencyclient.New(agencyclient.Options{Endpoints: []string{"a:1", "b:1", "c:1"}, HTTP: a.http, Origin: first.Origin()})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.ErrorIs(t, agencyclient.Bootstrap(ctx, again), agencyclient.ErrStranger)
		root, err = a.client().Read(minute(t), "/")
		require.NoError(t, err)
		require.Equal(t, "{}", root.String())
	})
}
