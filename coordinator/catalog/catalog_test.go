package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/agency/agencytest"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agency is an agency that a catalog changes and DB servers report to.
type agency struct{ *agencytest.Agency }

func newAgency(t *testing.T, dbservers ...string) *agency {
	t.Helper()
	a := &agency{agencytest.New()}
	ops := map[string]any{keys.PlanVersion: 1, keys.PlanDatabase("_system"): keys.Database{ID: "1", Name: "_system"}, keys.RestoreEpoch: 0}
	for _, s := range dbservers {
		ops[keys.PlanDBServers+"/"+s] = "none"
	}
	a.set(t, ops)
	return a
}

func (a *agency) set(t *testing.T, ops map[string]any) {
	t.Helper()
	_, err := a.Apply(agencyclient.Tx{Ops: ops})
	require.NoError(t, err)
}

func (a *agency) catalog(t *testing.T, id string) *catalog.Catalog {
	t.Helper()
	c := catalog.New(catalog.Options{
		Agency: a, Cache: a, Reserve: a.Reserve, ID: id, RebootID: func() uint64 { return 3 }, Logger: hclog.NewNullLogger(),
		MaxShards: 10, ReportWait: 20 * time.Second, SyncWait: 5 * time.Second, ThawWait: time.Minute, AgencyTimeout: 10 * time.Second,
	})
	t.Cleanup(c.Close)
	return c
}

// report is what DB servers do: they report all that is planned for them.
func (a *agency) report(t *testing.T, c *catalog.Catalog) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	t.Cleanup(func() { cancel(); done.Wait() })
	done.Go(func() {
		for last := uint64(0); ; {
			s, err := a.Wait(ctx, func(s agencyclient.Snapshot) bool { return s.Index > last })
			if err != nil {
				return
			}
			last = s.Index
			a.reportAll(c.Cached(), s)
		}
	})
}

func (a *agency) reportAll(snap *catalog.Snapshot, s agencyclient.Snapshot) {
	for db, node := range s.Root.At(keys.PlanDatabases).Children() {
		for _, server := range snap.DBServers() {
			key := keys.CurrentDatabase(db, server)
			if s.Root.At(key).At("id").Text() != node.At("id").Text() {
				_, _ = a.Apply(agencyclient.Tx{Ops: map[string]any{key: keys.CurrentDatabaseReport{ID: node.At("id").Text()}}})
			}
		}
	}
	for db, colls := range s.Root.At(keys.PlanCollections).Children() {
		for cid, node := range colls.Children() {
			var coll keys.Collection
			_ = node.Decode(&coll)
			for shard, servers := range coll.Shards {
				if key := keys.CurrentShard(db, cid, shard); !s.Root.At(key).Exists() {
					_, _ = a.Apply(agencyclient.Tx{Ops: map[string]any{key: keys.CurrentShardReport{Servers: servers, Term: coll.ShardTerms[shard]}}})
				}
			}
		}
	}
}

func (a *agency) freeze(t *testing.T) {
	t.Helper()
	a.set(t, map[string]any{keys.HotBackupCreate: "2099-01-01T00:00:00Z", keys.HotBackupHolder: keys.Holder{ID: "the-backup", Operation: "create", Coordinator: "CRDN-x", Nonce: "n"}})
}

func (a *agency) thaw(t *testing.T) {
	t.Helper()
	a.set(t, map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()})
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{"a": true, "A-1_b": true, "": false, "1a": false, "_a": false, "a/b": false, "a b": false, "ä": false, "-a": false} {
		require.Equal(t, ok, catalog.CheckDatabaseName(name) == nil, name)
		require.Equal(t, ok, catalog.CheckCollectionName(name, false) == nil, name)
	}
	require.NoError(t, catalog.CheckCollectionName("_a", true))
	require.ErrorIs(t, catalog.CheckCollectionName("_a", false), apierror.IllegalName)
}

// The entry is planned with its maker's mark, and loses it when all is reported.
func TestCreateIsTwoChanges(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAgency(t, "PRMR-1", "PRMR-2")
		c := a.catalog(t, "CRDN-1")
		done := make(chan error)
		go func() {
			_, err := c.CreateCollection(t.Context(), "_system", catalog.CollectionSpec{Name: "c", NumberOfShards: 4})
			done <- err
		}()
		synctest.Wait()
		require.Equal(t, 1, a.At(keys.PlanCollections+"/_system").Len())
		var planned keys.Collection
		for _, node := range a.At(keys.PlanCollections + "/_system").Children() {
			require.NoError(t, node.Decode(&planned))
		}
		require.True(t, planned.IsBuilding)
		require.Equal(t, "CRDN-1", planned.Coordinator)
		require.EqualValues(t, 3, planned.CoordinatorRebootID)
		require.Len(t, planned.ShardTerms, 4)
		_, ok := c.Cached().Collection("_system", "c")
		require.False(t, ok, "a client sees it before it is there")
		_, err := a.catalog(t, "CRDN-2").CreateCollection(t.Context(), "_system", catalog.CollectionSpec{Name: "c"})
		require.ErrorIs(t, err, apierror.DuplicateName)

		a.report(t, c)
		require.NoError(t, <-done)
		coll, ok := c.Cached().Collection("_system", "c")
		require.True(t, ok)
		planned = keys.Collection{}
		require.NoError(t, c.Cached().Node(keys.PlanCollection("_system", coll.ID)).Decode(&planned))
		require.Empty(t, planned.Coordinator)
		require.Zero(t, planned.CoordinatorRebootID)
		led := c.Cached().Load().Led
		require.Equal(t, map[string]int{"PRMR-1": 2, "PRMR-2": 2}, led)
	})
}

// Whatever fails between the two changes, nothing is left and the name is free.
func TestUnfinishedIsUndone(t *testing.T) {
	for name, test := range map[string]struct {
		disturb func(t *testing.T, a *agency, key string)
		num     apierror.Num
	}{
		"no report": {func(*testing.T, *agency, string) {}, apierror.ClusterTimeout},
		"a DB server reports an error": {func(t *testing.T, a *agency, key string) {
			var coll keys.Collection
			require.NoError(t, a.At(key).Decode(&coll))
			for shard := range coll.Shards {
				a.set(t, map[string]any{keys.CurrentShard("_system", coll.ID, shard): keys.CurrentShardReport{Error: true, ErrorNum: 7, ErrorMessage: "disk full"}})
			}
		}, apierror.CreateCollCurrent},
		"it is removed": {func(t *testing.T, a *agency, key string) {
			a.set(t, map[string]any{key: agencyclient.Delete(), keys.PlanVersion: agencyclient.Increment(1)})
		}, apierror.CreateCollCurrent},
		"frozen for longer than the wait": {func(t *testing.T, a *agency, _ string) {
			a.freeze(t)
			time.AfterFunc(10*time.Minute, func() { a.thaw(t) })
		}, apierror.ClusterTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				a := newAgency(t, "PRMR-1")
				c := a.catalog(t, "CRDN-1")
				done := make(chan error)
				go func() {
					_, err := c.CreateCollection(t.Context(), "_system", catalog.CollectionSpec{Name: "c"})
					done <- err
				}()
				synctest.Wait()
				for cid := range a.At(keys.PlanCollections + "/_system").Children() {
					test.disturb(t, a, keys.PlanCollection("_system", cid))
				}
				require.ErrorIs(t, <-done, test.num)
				time.Sleep(11 * time.Minute)
				require.Zero(t, a.At(keys.PlanCollections+"/_system").Len())
				a.report(t, c)
				_, err := c.CreateCollection(t.Context(), "_system", catalog.CollectionSpec{Name: "c"})
				require.NoError(t, err)
			})
		})
	}
}

// When it is unknown whether the first change was applied, it is taken back.
func TestUnknownOutcomeIsUndone(t *testing.T) {
	for _, applied := range []bool{true, false} {
		bubbles.Test(t, func(t *testing.T) {
			a := newAgency(t, "PRMR-1")
			c := a.catalog(t, "CRDN-1")
			failing := true
			a.OnWrite(func(_ context.Context, tx agencyclient.Tx) (uint64, error) {
				if !failing {
					return a.Apply(tx)
				}
				failing = false
				if applied {
					if _, err := a.Apply(tx); err != nil {
						return 0, err
					}
				}
				return 0, fmt.Errorf("write: %w", agencyclient.ErrUnknown)
			})
			err := c.CreateDatabase(t.Context(), catalog.DatabaseSpec{Name: "d"})
			require.ErrorIs(t, err, agencyclient.ErrUnknown)
			require.Equal(t, 503, apierror.From(err).Status())
			time.Sleep(time.Minute)
			require.False(t, a.At(keys.PlanDatabase("d")).Exists())
			require.False(t, a.At(keys.PlanCollections+"/d").Exists())
		})
	}
}

// A change waits for a backup to end, for a bounded time, and then names it.
func TestChangesWaitForTheThaw(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAgency(t, "PRMR-1")
		c := a.catalog(t, "CRDN-1")
		a.report(t, c)
		_, err := c.CreateCollection(t.Context(), "_system", catalog.CollectionSpec{Name: "c"})
		require.NoError(t, err)
		a.freeze(t)
		began := time.Now()
		_, err = c.DropCollection(t.Context(), "_system", "c", false)
		require.ErrorIs(t, err, apierror.ClusterTimeout)
		require.ErrorContains(t, err, "the-backup")
		require.Equal(t, time.Minute, time.Since(began))

		time.AfterFunc(30*time.Second, func() { a.thaw(t) })
		_, err = c.DropCollection(t.Context(), "_system", "c", false)
		require.NoError(t, err)
		require.Equal(t, 90*time.Second, time.Since(began))
		_, _, err = c.Collection(t.Context(), "_system", "c")
		require.ErrorIs(t, err, apierror.CollectionNotFound)
	})
}

// A client that goes away does not stop a create half way.
func TestCreateOutlivesItsClient(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAgency(t, "PRMR-1")
		c := a.catalog(t, "CRDN-1")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.CreateDatabase(ctx, catalog.DatabaseSpec{Name: "d"}) }()
		synctest.Wait()
		cancel()
		time.Sleep(5 * time.Second)
		a.report(t, c)
		require.NoError(t, <-done)
		require.Equal(t, []string{"_system", "d"}, c.Cached().Databases())
	})
}

// Numbers are never given out twice, and those reserved before a restore are dropped.
func TestIDsBelongToAnEpoch(t *testing.T) {
	a := newAgency(t)
	c := a.catalog(t, "CRDN-1")
	first, err := c.NextID(t.Context(), 0)
	require.NoError(t, err)
	second, err := c.NextID(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, first+1, second)
	other, err := a.catalog(t, "CRDN-2").NextID(t.Context(), 0)
	require.NoError(t, err)
	third, err := c.NextID(t.Context(), 1)
	require.NoError(t, err)
	require.Greater(t, other, second)
	require.Greater(t, third, other)
	_, err = c.NextID(t.Context(), 0)
	require.ErrorContains(t, err, "epoch")

	failing := catalog.New(catalog.Options{AgencyTimeout: time.Second, Reserve: func(context.Context, uint64) (uint64, error) { return 0, errors.New("no majority") }})
	defer failing.Close()
	_, err = failing.NextID(t.Context(), 0)
	require.ErrorIs(t, err, apierror.AgencyFailed)
}

// DB servers that have failed get no shards, and databases do not wait for them.
func TestFailedServersAreLeftOut(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAgency(t, "PRMR-1", "PRMR-2")
		c := a.catalog(t, "CRDN-1")
		a.set(t, map[string]any{keys.Health + "/PRMR-1": keys.HealthEntry{Status: "FAILED"}})
		done := make(chan error)
		go func() { done <- c.CreateDatabase(t.Context(), catalog.DatabaseSpec{Name: "d"}) }()
		synctest.Wait()
		a.set(t, map[string]any{keys.CurrentDatabase("d", "PRMR-2"): keys.CurrentDatabaseReport{ID: a.At(keys.PlanDatabase("d") + "/id").Text()}})
		require.NoError(t, <-done)
		a.report(t, c)
		coll, err := c.CreateCollection(t.Context(), "d", catalog.CollectionSpec{Name: "c", NumberOfShards: 3})
		require.NoError(t, err)
		for _, servers := range coll.Shards {
			require.Equal(t, []string{"PRMR-2"}, servers)
		}
		a.set(t, map[string]any{keys.Health + "/PRMR-2": keys.HealthEntry{Status: "FAILED"}})
		_, err = c.CreateCollection(t.Context(), "d", catalog.CollectionSpec{Name: "x"})
		require.ErrorIs(t, err, apierror.TooFewDBServers)
	})
}

// A snapshot does not change; what has not changed in the next one is decoded once.
func TestSnapshots(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAgency(t, "PRMR-1")
		c := a.catalog(t, "CRDN-1")
		a.report(t, c)
		for _, name := range []string{"b", "a"} {
			_, err := c.CreateCollection(t.Context(), "_system", catalog.CollectionSpec{Name: name, NumberOfShards: 10})
			require.NoError(t, err)
		}
		before := c.Cached()
		collA, _ := before.Collection("_system", "a")
		require.IsIncreasing(t, collA.ShardNames)
		_, err := c.DropCollection(t.Context(), "_system", "b", false)
		require.NoError(t, err)
		_, ok := before.Collection("_system", "b")
		require.True(t, ok)
		require.Len(t, before.Collections("_system"), 2)
		require.Equal(t, "a", before.Collections("_system")[0].Name)
		require.Len(t, c.Cached().Collections("_system"), 1)
		again, _ := c.Cached().Collection("_system", collA.ID)
		require.Same(t, collA, again)
		require.NoError(t, c.Cached().Converged())
		a.set(t, map[string]any{keys.RestoreEpoch: 1})
		require.ErrorContains(t, c.Cached().Converged(), "PRMR-1")
		require.NoError(t, before.Converged())
	})
}

// What a restore writes about a shard before a leader has reported is no leader's word:
// it is not led, and no replica is in sync, though a removal has to know which may be needed.
func TestRestoredShardsAreNotLed(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAgency(t, "PRMR-1")
		c := a.catalog(t, "CRDN-1")
		a.report(t, c)
		coll, err := c.CreateCollection(t.Context(), "_system", catalog.CollectionSpec{Name: "a"})
		require.NoError(t, err)
		require.True(t, c.Cached().Led(coll))
		require.True(t, c.Cached().InSync(coll))
		shard := coll.ShardNames[0]
		for _, known := range []bool{true, false} {
			a.set(t, map[string]any{keys.CurrentShard("_system", coll.ID, shard): keys.CurrentShardReport{
				Servers: coll.Shards[shard], Term: coll.ShardTerms[shard], Restored: &keys.RestoredShard{Known: known},
			}})
			snap, err := c.Sync(t.Context())
			require.NoError(t, err)
			require.False(t, snap.Led(coll))
			require.False(t, snap.InSync(coll))
			used, _ := snap.UsedBy("PRMR-1")
			require.Equal(t, shard, used)
		}
	})
}
