package catalog_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

func servers(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("PRMR-%d", i+1))
	}
	return ids
}

// Whatever is created, with whatever replication, replicas stay as even as can be, and
// leaders nearly so; no shard is twice on one server, or on one that is to be left alone.
func TestPlacementIsEven(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(rt, "servers")
		spared := rapid.IntRange(0, min(3, n-1)).Draw(rt, "spared")
		bubbles.Test(t, func(t *testing.T) {
			a := newAgency(t, servers(n)...)
			all := servers(n)
			leave := all[n-spared:]
			for i, id := range leave {
				switch i % 3 {
				case 0:
					a.set(t, map[string]any{keys.Health + "/" + id: keys.HealthEntry{Status: "FAILED"}})
				case 2:
					a.set(t, map[string]any{keys.Health + "/" + id: keys.HealthEntry{Status: "BAD", Disk: "hangs since noon"}})
				case 1:
					a.set(t, map[string]any{keys.CleanedServers: []string{id, "PRMR-gone"}})
				}
			}
			c := a.catalog(t, "CRDN-1")
			a.report(t, c)
			for i := range rapid.IntRange(1, 4).Draw(rt, "collections") {
				spec := catalog.CollectionSpec{Name: fmt.Sprintf("c%d", i), NumberOfShards: rapid.IntRange(1, 10).Draw(rt, "shards")}
				spec.Replication.Factor = rapid.IntRange(1, n-spared).Draw(rt, "factor")
				coll, err := c.CreateCollection(t.Context(), "_system", spec)
				require.NoError(t, err)
				for shard, on := range coll.Shards {
					require.Len(t, on, spec.Replication.Factor)
					require.Len(t, slices.Compact(slices.Sorted(slices.Values(on))), len(on), shard)
					for _, id := range on {
						require.NotContains(t, leave, id)
					}
				}
			}
			load := c.Cached().Load()
			for what, counts := range map[string]map[string]int{"led": load.Led, "shards": load.Shards} {
				var of []int
				for _, id := range all[:n-spared] {
					of = append(of, counts[id])
				}
				require.LessOrEqual(t, slices.Max(of)-slices.Min(of), map[string]int{"led": max(2, n), "shards": 1}[what], "%s %v", what, counts)
			}
		})
	})
}

// A collection takes what it does not choose from its database.
func TestReplicationHasDefaults(t *testing.T) {
	for _, test := range []struct {
		database, collection, want catalog.Replication
		num                        apierror.Num
	}{
		{want: catalog.Replication{Factor: 1, Concern: 1}},
		{database: catalog.Replication{Factor: 3, Concern: 2}, want: catalog.Replication{Factor: 3, Concern: 2}},
		{database: catalog.Replication{Factor: 3, Concern: 2}, collection: catalog.Replication{Factor: 1}, want: catalog.Replication{Factor: 1, Concern: 1}},
		{database: catalog.Replication{Factor: 3, Concern: 2}, collection: catalog.Replication{Concern: 3}, want: catalog.Replication{Factor: 3, Concern: 3}},
		{database: catalog.Replication{Factor: 2}, want: catalog.Replication{Factor: 2, Concern: 1}},
		{collection: catalog.Replication{Factor: 2, Concern: 3}, num: apierror.BadParameter},
		{database: catalog.Replication{Concern: 2}, num: apierror.BadParameter},
		{collection: catalog.Replication{Factor: catalog.MaxReplicationFactor + 1}, num: apierror.BadParameter},
		{collection: catalog.Replication{Factor: 4}, num: apierror.TooFewDBServers},
		{database: catalog.Replication{Factor: 4}, num: apierror.TooFewDBServers},
	} {
		bubbles.Test(t, func(t *testing.T) {
			a := newAgency(t, servers(3)...)
			c := a.catalog(t, "CRDN-1")
			a.report(t, c)
			err := c.CreateDatabase(t.Context(), catalog.DatabaseSpec{Name: "d", Replication: test.database})
			var coll *catalog.Collection
			if err == nil {
				coll, err = c.CreateCollection(t.Context(), "d", catalog.CollectionSpec{Name: "c", NumberOfShards: 2, Replication: test.collection})
			}
			if test.num != 0 {
				require.ErrorIs(t, err, test.num, "%+v", test)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, coll.Replication)
			require.Equal(t, test.want.Concern, coll.MinReplicationFactor)
			for _, on := range coll.Shards {
				require.Len(t, on, test.want.Factor)
			}
		})
	}
}

// Too few servers may be accepted on request; then what there is is used.
func TestSparsePlacement(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAgency(t, servers(2)...)
		c := a.catalog(t, "CRDN-1")
		a.report(t, c)
		spec := catalog.CollectionSpec{Name: "c", NumberOfShards: 3, Replication: catalog.Replication{Factor: 3, Concern: 2}}
		_, err := c.CreateCollection(t.Context(), "_system", spec)
		require.ErrorIs(t, err, apierror.TooFewDBServers)
		require.ErrorContains(t, err, "3 replicas are wanted, and of 2 DB servers 2 can take shards")
		spec.Sparse = true
		coll, err := c.CreateCollection(t.Context(), "_system", spec)
		require.NoError(t, err)
		require.Equal(t, catalog.Replication{Factor: 3, Concern: 2}, coll.Replication)
		for _, on := range coll.Shards {
			require.Len(t, on, 2)
		}
	})
}

// A create is answered when every shard is led in its planned term, and waits for
// followers in good health for a bounded time.
func TestCreateWaitsForReplicas(t *testing.T) {
	for name, test := range map[string]struct {
		status string // of the follower
		noWait bool
		late   time.Duration // until the follower is in sync
		wait   time.Duration
	}{
		"in sync at once":      {},
		"in sync after a time": {late: 2 * time.Second, wait: 2 * time.Second},
		"never":                {late: time.Hour, wait: 5 * time.Second},
		"never, not waited":    {late: time.Hour, noWait: true},
		"never, it is BAD":     {late: time.Hour, status: "BAD"},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				a := newAgency(t, servers(2)...)
				c := a.catalog(t, "CRDN-1")
				done := make(chan error, 1)
				go func() {
					spec := catalog.CollectionSpec{Name: "c", Replication: catalog.Replication{Factor: 2}, NoWait: test.noWait}
					_, err := c.CreateCollection(t.Context(), "_system", spec)
					done <- err
				}()
				synctest.Wait()
				var coll keys.Collection
				for _, node := range a.At(keys.PlanCollections + "/_system").Children() {
					require.NoError(t, node.Decode(&coll))
				}
				for shard, on := range coll.Shards {
					key := keys.CurrentShard("_system", coll.ID, shard)
					if test.status != "" {
						a.set(t, map[string]any{keys.Health + "/" + on[1]: keys.HealthEntry{Status: test.status}})
					}
					a.set(t, map[string]any{key: keys.CurrentShardReport{Servers: on[:1], Term: 0}})
					synctest.Wait()
					require.Empty(t, done, "a report of another term counts for nothing")
					a.set(t, map[string]any{key: keys.CurrentShardReport{Servers: on[:1], Term: 1}})
					if test.late == 0 {
						a.set(t, map[string]any{key: keys.CurrentShardReport{Servers: on, Term: 1}})
					}
					time.AfterFunc(test.late, func() {
						if test.late < time.Hour {
							a.set(t, map[string]any{key: keys.CurrentShardReport{Servers: on, Term: 1}})
						}
					})
				}
				began := time.Now()
				require.NoError(t, <-done)
				require.Equal(t, test.wait, time.Since(began))
			})
		})
	}
}

// When the planned leader changes while a collection is created, the new one counts.
func TestCreateFollowsThePlannedLeader(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAgency(t, servers(2)...)
		c := a.catalog(t, "CRDN-1")
		done := make(chan error, 1)
		go func() {
			_, err := c.CreateCollection(t.Context(), "_system", catalog.CollectionSpec{Name: "c", Replication: catalog.Replication{Factor: 2}})
			done <- err
		}()
		synctest.Wait()
		for cid, node := range a.At(keys.PlanCollections + "/_system").Children() {
			var coll keys.Collection
			require.NoError(t, node.Decode(&coll))
			for shard, on := range coll.Shards {
				swapped := []string{on[1], on[0]}
				a.set(t, map[string]any{
					keys.PlanCollection("_system", cid) + "/shards/" + shard: swapped, keys.PlanCollection("_system", cid) + "/shardTerms/" + shard: 2,
					keys.PlanVersion: agencyclient.Increment(1),
				})
				a.set(t, map[string]any{keys.CurrentShard("_system", cid, shard): keys.CurrentShardReport{Servers: on, Term: 1}})
				synctest.Wait()
				require.Empty(t, done)
				a.set(t, map[string]any{keys.CurrentShard("_system", cid, shard): keys.CurrentShardReport{Servers: swapped, Term: 2}})
			}
		}
		require.NoError(t, <-done)
	})
}

// Replication can be changed later, both numbers in one change of Plan.
func TestChangeOfReplication(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAgency(t, servers(3)...)
		c := a.catalog(t, "CRDN-1")
		a.report(t, c)
		_, err := c.CreateCollection(t.Context(), "_system", catalog.CollectionSpec{Name: "c", Replication: catalog.Replication{Factor: 2, Concern: 2}})
		require.NoError(t, err)
		version, _ := a.At(keys.PlanVersion).Int()
		for _, test := range []struct {
			change, want catalog.Replication
			num          apierror.Num
		}{
			{catalog.Replication{Factor: 1}, catalog.Replication{}, apierror.BadParameter}, // below the write concern
			{catalog.Replication{Concern: 3}, catalog.Replication{}, apierror.BadParameter},
			{catalog.Replication{Factor: 4}, catalog.Replication{}, apierror.TooFewDBServers},
			{catalog.Replication{Factor: 3, Concern: 3}, catalog.Replication{Factor: 3, Concern: 3}, 0},
			{catalog.Replication{Factor: 1, Concern: 1}, catalog.Replication{Factor: 1, Concern: 1}, 0},
		} {
			coll, err := c.ChangeCollection(t.Context(), "_system", "c", catalog.CollectionChange{Replication: test.change})
			if test.num != 0 {
				require.ErrorIs(t, err, test.num)
				now, _ := a.At(keys.PlanVersion).Int()
				require.Equal(t, version, now)
				continue
			}
			require.NoError(t, err)
			version++
			now, _ := a.At(keys.PlanVersion).Int()
			require.Equal(t, version, now)
			require.Equal(t, test.want, coll.Replication)
			require.Equal(t, test.want.Concern, coll.MinReplicationFactor)
			require.Len(t, slices.Collect(maps.Values(coll.Shards))[0], 2, "supervision moves replicas")
		}
	})
}
