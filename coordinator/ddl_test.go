package coordinator_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator"
)

func TestDatabases(t *testing.T) {
	c := startCluster(t, options{dbservers: 2, coordinators: 2})
	require.Equal(t, []any{"_system"}, c.do(t, "GET", "/_api/database", "").decode(t)["result"])
	a := c.do(t, "POST", "/_api/database", `{"name":"one","options":{"sharding":"single"},"users":[{"username":"u"}]}`)
	want(t, a, 201, 0)
	require.JSONEq(t, `{"error":false,"code":201,"result":true}`, a.body)
	want(t, c.do(t, "POST", "/_api/database", `{"name":"one"}`), 409, 1207)
	for _, name := range []string{"", "1a", "a b", "_x", "a/b", strings.Repeat("x", 65)} {
		want(t, c.do(t, "POST", "/_api/database", `{"name":"`+name+`"}`), 400, 1229)
	}
	want(t, c.do(t, "POST", "/_db/one/_api/database", `{"name":"two"}`), 403, 1230)
	want(t, c.do(t, "GET", "/_db/one/_api/database", ""), 403, 1230)
	require.Equal(t, []any{"_system", "one"}, c.do(t, "GET", "/_db/one/_api/database/user", "").decode(t)["result"])
	info := c.do(t, "GET", "/_db/one/_api/database/current", "").decode(t)["result"].(map[string]any)
	require.Equal(t, "one", info["name"])
	require.Equal(t, "single", info["sharding"])
	require.NotEmpty(t, info["id"])
	require.Equal(t, false, info["isSystem"])

	// The other coordinator knows it, too, without having been told.
	other := c.coordinators[1].URL()
	want(t, c.doAt(t, other, "POST", "/_db/one/_api/collection", `{"name":"c"}`), 200, 0)
	want(t, c.do(t, "POST", "/_db/one/_api/document/c", `{"_key":"k"}`), 202, 0)
	a = c.do(t, "POST", "/_db/one/_api/document/c", `{"_key":"l"}`)
	require.Equal(t, "/_db/one/_api/document/c/l", a.header.Get("Location"))

	want(t, c.do(t, "DELETE", "/_api/database/_system", ""), 403, 11)
	want(t, c.do(t, "DELETE", "/_api/database/nope", ""), 404, 1228)
	want(t, c.doAt(t, other, "DELETE", "/_api/database/one", ""), 200, 0)
	want(t, c.doAt(t, other, "GET", "/_db/one/_api/version", ""), 404, 1228)
	want(t, c.doAt(t, other, "GET", "/_db/one/_api/document/c/k", ""), 404, 1228)
	want(t, c.do(t, "POST", "/_api/database", `{"name":"one"}`), 201, 0)
	require.Equal(t, []any{}, c.do(t, "GET", "/_db/one/_api/collection", "").decode(t)["result"])
}

func TestCollections(t *testing.T) {
	c := startCluster(t, options{dbservers: 2, limits: coordinator.Limits{Shards: 20}})
	a := c.do(t, "POST", "/_api/collection", `{"name":"books","numberOfShards":6,"waitForSync":true,"replicationFactor":1,"unknown":1}`)
	want(t, a, 200, 0)
	made := a.decode(t)
	require.EqualValues(t, 6, made["numberOfShards"])
	require.Equal(t, true, made["waitForSync"])
	require.Equal(t, []any{"_key"}, made["shardKeys"])
	require.Equal(t, "c"+made["id"].(string)+"/", made["globallyUniqueId"])
	for _, test := range []struct {
		body        string
		status, num int
	}{
		{`{"name":"books"}`, 409, 1207}, {`{"name":"1x"}`, 400, 1208}, {`{}`, 400, 1208}, {`{"name":7}`, 400, 1208},
		{`{"name":"_x"}`, 400, 1208}, {`{"name":"a b"}`, 400, 1208}, {`{"name":"x","type":4}`, 400, 1218},
		{`{"name":"x","numberOfShards":21}`, 400, 1450}, {`{"name":"x","numberOfShards":0}`, 400, 10},
		{`{"name":"x","numberOfShards":-1}`, 400, 10}, {`{"name":"x","numberOfShards":"a"}`, 400, 10},
		{`{"name":"x","replicationFactor":3}`, 500, 1487}, {`{"name":"x","replicationFactor":"satellite"}`, 400, 10},
		{`{"name":"x","replicationFactor":0}`, 400, 10}, {`{"name":"x","replicationFactor":11}`, 400, 10},
		{`{"name":"x","replicationFactor":1.5}`, 400, 10}, {`{"name":"x","replicationFactor":"2"}`, 400, 10},
		{`{"name":"x","writeConcern":2}`, 400, 10}, {`{"name":"x","minReplicationFactor":2}`, 400, 10}, {`{"name":"x","writeConcern":0}`, 400, 10},
		{`{"name":"x","shardKeys":["_id"]}`, 400, 10}, {`{"name":"x","schema":{"rule":{}}}`, 400, 10},
		{`{"name":"x","keyOptions":{"type":"uuid"}}`, 400, 1232}, {`[`, 400, 600}, {`[]`, 400, 10},
	} {
		want(t, c.do(t, "POST", "/_api/collection", test.body), test.status, test.num)
	}
	// Shards are spread evenly.
	shards := c.do(t, "GET", "/_api/collection/books/shards?details=true", "").decode(t)["shards"].(map[string]any)
	perServer := map[any]int{}
	for _, servers := range shards {
		perServer[servers.([]any)[0]]++
	}
	require.Equal(t, map[any]int{c.dbservers[0].ID(): 3, c.dbservers[1].ID(): 3}, perServer)
	require.Len(t, c.do(t, "GET", "/_api/collection/books/shards", "").decode(t)["shards"], 6)

	want(t, c.do(t, "POST", "/_api/document/books", `[{},{},{}]`), 201, 0) // waitForSync of the collection
	byID := "/_api/collection/" + made["id"].(string)
	require.EqualValues(t, 3, c.do(t, "GET", byID+"/count", "").decode(t)["count"])
	require.EqualValues(t, 3, c.do(t, "GET", byID+"/figures", "").decode(t)["count"])
	before := c.do(t, "GET", byID+"/revision", "").decode(t)["revision"]
	want(t, c.do(t, "POST", "/_api/document/books", `{}`), 201, 0)
	require.NotEqual(t, before, c.do(t, "GET", byID+"/revision", "").decode(t)["revision"])
	a = c.do(t, "PUT", byID+"/properties", `{"waitForSync":false,"cacheEnabled":true,"replicationFactor":1}`)
	want(t, a, 200, 0)
	require.Equal(t, false, a.decode(t)["waitForSync"])
	require.Equal(t, true, c.do(t, "GET", "/_api/collection/books/properties", "").decode(t)["cacheEnabled"])
	want(t, c.do(t, "PUT", byID+"/properties", `{"replicationFactor":3}`), 500, 1487)
	want(t, c.do(t, "PUT", byID+"/properties", `{"writeConcern":2}`), 400, 10)
	want(t, c.do(t, "PUT", byID+"/properties", `{"replicationFactor":"satellite"}`), 400, 10)
	want(t, c.do(t, "POST", "/_api/document/books", `{"_key":"z"}`), 202, 0)
	shard := c.do(t, "PUT", byID+"/responsibleShard", `{"_key":"z"}`).decode(t)["shardId"]
	require.Contains(t, shards, shard)
	want(t, c.do(t, "PUT", byID+"/rename", `{"name":"x"}`), 501, 1470)
	want(t, c.do(t, "PUT", byID+"/what", `{}`), 404, 404)
	want(t, c.do(t, "PUT", byID+"/truncate", ""), 200, 0)
	require.EqualValues(t, 0, c.do(t, "GET", byID+"/count", "").decode(t)["count"])

	want(t, c.do(t, "POST", "/_api/collection", `{"name":"_sys","isSystem":true}`), 200, 0)
	require.Len(t, c.do(t, "GET", "/_api/collection", "").decode(t)["result"], 2)
	require.Len(t, c.do(t, "GET", "/_api/collection?excludeSystem=true", "").decode(t)["result"], 1)
	want(t, c.do(t, "DELETE", "/_api/collection/_sys", ""), 403, 11)
	want(t, c.do(t, "DELETE", "/_api/collection/_sys?isSystem=true", ""), 200, 0)
	a = c.do(t, "DELETE", byID, "")
	require.JSONEq(t, `{"error":false,"code":200,"id":"`+made["id"].(string)+`"}`, a.body)
	want(t, c.do(t, "DELETE", "/_api/collection/books", ""), 404, 1203)
	want(t, c.do(t, "GET", "/_api/collection/books", ""), 404, 1203)
	require.Equal(t, "collection or view not found: books", c.do(t, "GET", "/_api/collection/books", "").decode(t)["errorMessage"])
}

// Of any number of coordinators that create the same name at once, exactly one does;
// the others say that the name is taken, and nothing of theirs is left.
func TestSameNameAtOnce(t *testing.T) {
	c := startCluster(t, options{dbservers: 1, coordinators: 2})
	for round := range 3 {
		name := fmt.Sprintf("c%d", round)
		answers := make([]answer, 8)
		errs := make([]error, len(answers))
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				url := c.coordinators[i%2].URL()
				answers[i], errs[i] = c.send(t.Context(), url, "POST", "/_api/collection", strings.NewReader(`{"name":"`+name+`"}`))
			})
		}
		all.Wait()
		created := 0
		for i, a := range answers {
			require.NoError(t, errs[i])
			if a.status == 200 {
				created++
				continue
			}
			want(t, a, 409, 1207)
		}
		require.Equal(t, 1, created)
	}
	root, err := c.agency().Read(t.Context(), keys.PlanCollections)
	require.NoError(t, err)
	require.Equal(t, 3, root.At(keys.PlanCollections+"/_system").Len())
	for _, coll := range root.At(keys.PlanCollections + "/_system").Children() {
		require.False(t, coll.At("isBuilding").Exists())
		require.False(t, coll.At("coordinator").Exists())
	}
}

// While a backup holds the agency lock nothing is created or dropped: the call waits
// for its end, or says whose backup it waits for. Data goes on.
func TestDataDefinitionWhileFrozen(t *testing.T) {
	t.Parallel() // it mostly waits
	c := startCluster(t, options{dbservers: 1, timing: coordinator.Timing{Thaw: 300 * time.Millisecond}})
	c.options.timing.Thaw = 5 * time.Minute
	patient := c.startCoordinator(t)
	c.collection(t, "before", 1)
	freeze(t, c, true)
	began := time.Now()
	for _, test := range []struct{ method, path, body string }{
		{"POST", "/_api/collection", `{"name":"c"}`},
		{"DELETE", "/_api/collection/before", ``},
		{"POST", "/_api/database", `{"name":"d"}`},
		{"PUT", "/_api/collection/before/properties", `{"waitForSync":true}`},
	} {
		a := c.do(t, test.method, test.path, test.body)
		want(t, a, 500, 1457)
		require.Contains(t, a.decode(t)["errorMessage"], "2026-01-01T00.00.00Z_x")
	}
	require.Greater(t, time.Since(began), 4*300*time.Millisecond)
	want(t, c.do(t, "POST", "/_api/document/before", `{}`), 202, 0)

	done := make(chan answer)
	go func() {
		a, err := c.send(context.Background(), patient.URL(), "POST", "/_api/collection", strings.NewReader(`{"name":"c"}`))
		if err != nil {
			a.body = err.Error()
		}
		done <- a
	}()
	select {
	case a := <-done:
		require.Fail(t, "not frozen", a.body)
	case <-time.After(100 * time.Millisecond):
	}
	freeze(t, c, false)
	want(t, <-done, 200, 0)
}

func freeze(t *testing.T, c *cluster, on bool) {
	t.Helper()
	tx := agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}}
	if on {
		tx.Ops = map[string]any{
			keys.HotBackupCreate: "2099-01-01T00:00:00Z",
			keys.HotBackupHolder: keys.Holder{ID: "2026-01-01T00.00.00Z_x", Operation: keys.OperationCreate, Coordinator: "CRDN-x", Nonce: "n", LeaseSeconds: 600},
		}
	}
	_, err := c.agency().Write(t.Context(), tx)
	require.NoError(t, err)
}

// A create whose shards no DB server reports is undone: the name is free again, and no client
// has seen the collection.
func TestUnfinishedCreateIsUndone(t *testing.T) {
	c := startCluster(t, options{dbservers: 1, timing: coordinator.Timing{DDL: 500 * time.Millisecond}})
	ghost := agencyclient.Tx{Ops: map[string]any{
		keys.PlanDBServers + "/PRMR-aaa": "none", keys.PlanVersion: agencyclient.Increment(1),
	}}
	_, err := c.agency().Write(t.Context(), ghost)
	require.NoError(t, err)
	a := c.do(t, "POST", "/_api/collection", `{"name":"c","numberOfShards":2}`)
	want(t, a, 500, 1457)
	require.Contains(t, a.decode(t)["errorMessage"], "collection c")
	require.Eventually(t, func() bool {
		root, err := c.agency().Read(t.Context(), keys.PlanCollections)
		return err == nil && root.At(keys.PlanCollections+"/_system").Len() == 0
	}, patience, 20*time.Millisecond)
	want(t, c.do(t, "POST", "/_api/database", `{"name":"d"}`), 500, 1457)
	want(t, c.do(t, "GET", "/_db/d/_api/collection", ""), 404, 1228)
}

// After a restore no data is shown until every DB server has it open.
func TestEpochMismatchIsUnavailable(t *testing.T) {
	c := startCluster(t, options{dbservers: 1, timing: coordinator.Timing{NoLeader: 200 * time.Millisecond}})
	c.collection(t, "c", 1)
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"k"}`), 202, 0)
	_, err := c.agency().Write(t.Context(), agencyclient.Tx{Ops: map[string]any{
		keys.PlanDBServers + "/PRMR-late": "none", keys.ServerKnown("PRMR-late"): keys.Known{RebootID: 1, Epoch: 7}, keys.PlanVersion: agencyclient.Increment(1),
	}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.do(t, "GET", "/_admin/server/availability", "").status == 503 }, patience, 10*time.Millisecond)
	for _, test := range []struct{ method, path, body string }{
		{"GET", "/_api/document/c/k", ""}, {"POST", "/_api/document/c", `{}`}, {"POST", "/_api/document/c", `[{},{}]`},
		{"GET", "/_api/collection/c/count", ""}, {"PUT", "/_api/collection/c/truncate", ""}, {"PUT", "/_api/simple/all", `{"collection":"c"}`},
		{"POST", "/_api/import?collection=c&type=documents", `{}`},
	} {
		a := c.do(t, test.method, test.path, test.body)
		require.Equal(t, 503, a.status, test.path+a.body)
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.Contains(t, a.body, "PRMR-late")
	}
	_, err = c.agency().Write(t.Context(), agencyclient.Tx{Ops: map[string]any{keys.ServerKnown("PRMR-late") + "/epoch": 0}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.do(t, "GET", "/_api/document/c/k", "").status == 200 }, patience, 10*time.Millisecond)
}

// A shard whose DB server is gone answers 503 in time, others go on.
func TestDBServerGone(t *testing.T) {
	c := startCluster(t, options{dbservers: 2, timing: coordinator.Timing{NoLeader: 300 * time.Millisecond}})
	c.collection(t, "c", 2)
	closing(t, c.dbservers[1].Close)
	var items []string
	for i := range 20 {
		items = append(items, fmt.Sprintf(`{"_key":"k%d"}`, i))
	}
	a := c.do(t, "POST", "/_api/document/c", "["+strings.Join(items, ",")+"]")
	want(t, a, 202, 0)
	good, bad := 0, 0
	for i, r := range a.list(t) {
		path := fmt.Sprintf("/_api/document/c/k%d", i)
		if r["error"] == true {
			bad++
			require.EqualValues(t, 1465, r["errorNum"])
			if bad == 1 {
				a := c.do(t, "GET", path, "")
				want(t, a, 503, 1465)
				require.Equal(t, "1", a.header.Get("Retry-After"))
			}
			continue
		}
		good++
		require.Equal(t, 200, c.do(t, "GET", path, "").status)
	}
	require.NotZero(t, good)
	require.NotZero(t, bad)
}
