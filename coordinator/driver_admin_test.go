package coordinator_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/arangodb/go-driver/v2/arangodb"
	"github.com/arangodb/go-driver/v2/arangodb/shared"
	"github.com/arangodb/go-driver/v2/connection"
	"github.com/arangodb/go-driver/v2/utils"
	"github.com/stretchr/testify/require"

	"stasis/coordinator/api/admin"
)

// The official driver administers the cluster: it moves shards, relieves servers of
// leadership, cleans them out and removes them.
func TestOfficialDriverAdministers(t *testing.T) {
	t.Parallel() // it mostly waits
	c := startCluster(t, options{dbservers: 3, admin: admin.Timeouts{Remove: 40 * time.Second, Again: 100 * time.Millisecond}})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	cl := arangodb.NewClient(connection.NewHttpConnection(connection.HttpConfiguration{
		Endpoint: connection.NewRoundRobinEndpoints([]string{c.coordinators[0].URL()}), ContentType: connection.ApplicationJSON, Transport: transport,
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	db, err := cl.GetDatabase(ctx, "_system", nil)
	require.NoError(t, err)
	factor := arangodb.ReplicationFactor(2)
	col, err := db.CreateCollectionV2(ctx, "books", &arangodb.CreateCollectionPropertiesV2{NumberOfShards: utils.NewType(6), ReplicationFactor: &factor})
	require.NoError(t, err)
	_, err = db.CreateCollectionV2(ctx, "s", &arangodb.CreateCollectionPropertiesV2{ReplicationFactor: utils.NewType(arangodb.ReplicationFactorSatellite)})
	require.True(t, shared.IsArangoErrorWithErrorNum(err, 10), "%v", err)
	for i := range 20 {
		_, err := col.CreateDocument(ctx, map[string]int{"n": i})
		require.NoError(t, err)
	}
	sum, err := col.Checksum(ctx, utils.NewType(true), utils.NewType(true))
	require.NoError(t, err)
	require.NotEmpty(t, sum.Revision)

	d := &driven{t: t, ctx: ctx, cluster: c, client: cl, col: col}
	require.Len(t, d.shards(), 6)
	target := arangodb.ServerID(c.dbservers[0].ID())
	d.moveAll(target)
	d.resign(target)
	d.maintain(string(target))
	d.rebalance()
	d.cleanOut(target)
	count, err := col.Count(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 20, count)

	for _, id := range []arangodb.ServerID{"PRMR-unknown", "AGNT-x"} {
		require.True(t, shared.IsNotFound(cl.RemoveServer(ctx, id)))
	}
	closing(t, c.dbservers[0].Close)
	require.NoError(t, cl.RemoveServer(ctx, target))
	health, err := cl.Health(ctx)
	require.NoError(t, err)
	require.NotContains(t, health.Health, target)
	require.True(t, shared.IsNotFound(cl.RemoveServer(ctx, target)))
}

// driven is a collection under administration.
type driven struct {
	t       *testing.T
	ctx     context.Context
	cluster *cluster
	client  arangodb.Client
	col     arangodb.Collection
}

// shards is where the driver sees the collection's shards.
func (d *driven) shards() map[arangodb.ShardID][]arangodb.ServerID {
	d.t.Helper()
	inv, err := d.client.DatabaseInventory(d.ctx, "_system")
	require.NoError(d.t, err)
	coll, ok := inv.CollectionByName(d.col.Name())
	require.True(d.t, ok)
	return coll.Parameters.Shards
}

func (d *driven) until(ok func() bool) {
	d.t.Helper()
	require.Eventually(d.t, ok, patience, 50*time.Millisecond)
}

func (d *driven) ready() bool {
	inv, err := d.client.DatabaseInventory(d.ctx, "_system")
	require.NoError(d.t, err)
	coll, ok := inv.CollectionByName(d.col.Name())
	return ok && coll.IsReady && coll.AllInSync
}

func (d *driven) moveAll(target arangodb.ServerID) {
	d.t.Helper()
	moved := 0
	for shard, servers := range d.shards() {
		if servers[0] != target {
			moved++
			job, err := d.client.MoveShard(d.ctx, d.col, shard, servers[0], target)
			require.NoError(d.t, err)
			require.NotEmpty(d.t, job)
		}
	}
	require.NotZero(d.t, moved)
	d.until(func() bool {
		for _, servers := range d.shards() {
			if servers[0] != target {
				return false
			}
		}
		return d.ready()
	})
	_, err := d.client.MoveShard(d.ctx, d.col, "s0", target, target)
	require.True(d.t, shared.IsNotFound(err), "%v", err)
}

func (d *driven) resign(target arangodb.ServerID) {
	d.t.Helper()
	job, err := d.client.ResignServer(d.ctx, target)
	require.NoError(d.t, err)
	require.NotEmpty(d.t, job)
	d.until(func() bool {
		for _, servers := range d.shards() {
			if servers[0] == target || servers[0] == "_"+target {
				return false
			}
		}
		return d.ready()
	})
}

func (d *driven) maintain(target string) {
	d.t.Helper()
	require.NoError(d.t, d.client.SetClusterMaintenance(d.ctx, utils.NewType("on")))
	require.NoError(d.t, d.client.SetClusterMaintenance(d.ctx, utils.NewType("off")))
	m, err := d.client.GetDBServerMaintenance(d.ctx, target)
	require.NoError(d.t, err)
	require.Nil(d.t, m.Mode)
	require.NoError(d.t, d.client.SetDBServerMaintenance(d.ctx, target, &arangodb.ClusterMaintenanceOpts{Mode: utils.NewType("maintenance"), Timeout: utils.NewType(30)}))
	m, err = d.client.GetDBServerMaintenance(d.ctx, target)
	require.NoError(d.t, err)
	require.Equal(d.t, "maintenance", *m.Mode)
	require.NoError(d.t, d.client.SetDBServerMaintenance(d.ctx, target, &arangodb.ClusterMaintenanceOpts{Mode: utils.NewType("normal")}))
	m, err = d.client.GetDBServerMaintenance(d.ctx, target)
	require.NoError(d.t, err)
	require.Nil(d.t, m.Mode)
}

func (d *driven) rebalance() {
	d.t.Helper()
	before, err := d.client.GetClusterRebalance(d.ctx)
	require.NoError(d.t, err)
	require.Positive(d.t, *before.Leader.Imbalance)
	request := &arangodb.RebalanceRequestBody{Version: utils.NewType(1), MaximumNumberOfMoves: utils.NewType(10), MoveLeaders: utils.NewType(true), MoveFollowers: utils.NewType(true)}
	plan, err := d.client.ComputeClusterRebalance(d.ctx, request)
	require.NoError(d.t, err)
	require.NotEmpty(d.t, plan.Moves)
	require.Less(d.t, *plan.ImbalanceAfter.Leader.Imbalance, *plan.ImbalanceBefore.Leader.Imbalance)
	require.NoError(d.t, d.client.ExecuteClusterRebalance(d.ctx, &arangodb.ExecuteRebalanceRequestBody{Version: utils.NewType(1), Moves: plan.Moves}))
	quiet := func() bool {
		now, err := d.client.GetClusterRebalance(d.ctx)
		require.NoError(d.t, err)
		return *now.PendingMoveShards+*now.TodoMoveShards == 0 && d.ready()
	}
	d.until(quiet)
	for len(plan.Moves) > 0 {
		plan, err = d.client.ComputeAndExecuteClusterRebalance(d.ctx, request)
		require.NoError(d.t, err)
		d.until(quiet)
	}
	leads, has := map[arangodb.ServerID]int{}, map[arangodb.ServerID]int{}
	for _, servers := range d.shards() {
		leads[servers[0]]++
		for _, s := range servers {
			has[s]++
		}
	}
	for id := range has {
		require.Equal(d.t, 2, leads[id])
		require.Equal(d.t, 4, has[id])
	}
}

func (d *driven) cleanOut(target arangodb.ServerID) {
	d.t.Helper()
	// This version of the driver looks for the list in an attribute that ArangoDB 3.12
	// does not have, so IsCleanedOut never says yes.
	cleaned := func() any {
		_, err := d.client.NumberOfServers(d.ctx)
		require.NoError(d.t, err)
		return d.cluster.do(d.t, "GET", "/_admin/cluster/numberOfServers", "").decode(d.t)["cleanedServers"]
	}
	require.Empty(d.t, cleaned())
	job, err := d.client.CleanOutServer(d.ctx, target)
	require.NoError(d.t, err)
	require.NotEmpty(d.t, job)
	d.until(func() bool {
		return slices.Contains(cleaned().([]any), any(string(target))) && d.ready()
	})
	for _, servers := range d.shards() {
		require.NotContains(d.t, servers, target)
	}
	_, err = d.client.CleanOutServer(d.ctx, "PRMR-x")
	require.True(d.t, shared.IsNotFound(err), "%v", err)
}
