package coordinator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator"
)

// patience is how long a test waits for what servers do on their own.
const patience = 2 * time.Minute

func (c *cluster) shards(t *testing.T, query string) []client.Shard {
	t.Helper()
	a := c.do(t, "GET", client.PathShards+"?"+query, "")
	require.Equal(t, 200, a.status, a.body)
	var all client.Shards
	require.NoError(t, json.Unmarshal([]byte(a.body), &all))
	return all.Shards
}

// identical waits until every replica is in sync and holds the same.
func (c *cluster) identical(t *testing.T, replicas int) {
	t.Helper()
	var last []client.Shard
	require.Eventually(t, func() bool {
		last = c.shards(t, "checksum=true")
		return !slices.ContainsFunc(last, func(s client.Shard) bool {
			return !s.Serving || !s.Identical() || len(s.InSync) != replicas || len(s.Replicas) != replicas
		})
	}, patience, 50*time.Millisecond, "%+v", &last)
}

// A collection's shards are on as many servers as asked for, in sync when the create
// returns, and hold the same; the checksum of all says when data is different.
func TestReplicatedCollection(t *testing.T) {
	t.Parallel() // it mostly waits
	c := startCluster(t, options{dbservers: 3})
	a := c.do(t, "POST", "/_api/collection", `{"name":"c","numberOfShards":4,"replicationFactor":3,"writeConcern":2}`)
	want(t, a, 200, 0)
	made := a.decode(t)
	require.EqualValues(t, 3, made["replicationFactor"])
	require.EqualValues(t, 2, made["writeConcern"])
	require.EqualValues(t, 2, made["minReplicationFactor"])
	for _, s := range c.shards(t, "collection=c") {
		require.Len(t, s.InSync, 3, "%+v", s)
		require.True(t, s.Serving)
		require.EqualValues(t, 1, s.Term)
	}
	checksum := func() any {
		a := c.do(t, "GET", "/_api/collection/c/checksum?withRevisions=true&withData=true", "")
		want(t, a, 200, 0)
		require.Regexp(t, "^[0-9a-f]{16}$", a.decode(t)["checksum"])
		require.NotEmpty(t, a.decode(t)["revision"])
		return a.decode(t)["checksum"]
	}
	empty := checksum()
	var items []string
	for i := range 100 {
		items = append(items, fmt.Sprintf(`{"_key":"k%d"}`, i))
	}
	want(t, c.do(t, "POST", "/_api/document/c", "["+strings.Join(items, ",")+"]"), 202, 0)
	full := checksum()
	require.NotEqual(t, empty, full)
	require.Equal(t, full, checksum())
	want(t, c.do(t, "PATCH", "/_api/document/c/k7", `{"x":1}`), 202, 0)
	require.NotEqual(t, full, checksum())
	want(t, c.do(t, "GET", "/_api/collection/c/checksum?withData=perhaps", ""), 400, 10)
	want(t, c.do(t, "GET", "/_api/collection/nope/checksum", ""), 404, 1203)
	c.identical(t, 3)
	count := uint64(0)
	for _, s := range c.shards(t, "database=_system&collection=c&checksum=1") {
		count += s.Replicas[2].Count
	}
	require.EqualValues(t, 100, count)
	want(t, c.do(t, "GET", client.PathShards+"?database=other", ""), 404, 1228)
	want(t, c.do(t, "GET", client.PathShards+"?collection=nope", ""), 404, 1203)

	distribution := c.do(t, "GET", "/_admin/cluster/shardDistribution", "").decode(t)["results"].(map[string]any)["c"].(map[string]any)
	require.Equal(t, distribution["Plan"], distribution["Current"])
	require.Len(t, distribution["Plan"], 4)
	for _, shard := range distribution["Plan"].(map[string]any) {
		require.Contains(t, shard.(map[string]any)["leader"], "DBServer000")
		require.Len(t, shard.(map[string]any)["followers"], 2)
	}
}

// What a database says holds for its collections.
func TestDatabaseDefaults(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	want(t, c.do(t, "POST", "/_api/database", `{"name":"d","options":{"replicationFactor":2,"writeConcern":2}}`), 201, 0)
	info := c.do(t, "GET", "/_db/d/_api/database/current", "").decode(t)["result"].(map[string]any)
	require.EqualValues(t, 2, info["replicationFactor"])
	require.EqualValues(t, 2, info["writeConcern"])
	made := c.do(t, "POST", "/_db/d/_api/collection", `{"name":"c"}`).decode(t)
	require.EqualValues(t, 2, made["replicationFactor"])
	require.EqualValues(t, 2, made["writeConcern"])
	want(t, c.do(t, "POST", "/_api/database", `{"name":"e","options":{"replicationFactor":3}}`), 500, 1487)
	want(t, c.do(t, "POST", "/_api/database", `{"name":"e","options":{"replicationFactor":"satellite"}}`), 400, 10)
	want(t, c.do(t, "POST", "/_api/database", `{"name":"e","options":{"writeConcern":2}}`), 400, 10)
	a := c.do(t, "POST", "/_api/collection?enforceReplicationFactor=false", `{"name":"many","replicationFactor":3}`)
	want(t, a, 200, 0)
	require.EqualValues(t, 3, a.decode(t)["replicationFactor"])
}

// Replicas follow the replication factor, up and down.
func TestReplicationFactorChanges(t *testing.T) {
	t.Parallel() // it mostly waits
	c := startCluster(t, options{dbservers: 3})
	c.collection(t, "c", 2)
	want(t, c.do(t, "POST", "/_api/document/c", `[{},{},{},{},{},{}]`), 202, 0)
	a := c.do(t, "PUT", "/_api/collection/c/properties", `{"replicationFactor":3,"writeConcern":2}`)
	want(t, a, 200, 0)
	require.EqualValues(t, 3, a.decode(t)["replicationFactor"])
	c.identical(t, 3)
	want(t, c.do(t, "PUT", "/_api/collection/c/properties", `{"replicationFactor":2}`), 200, 0)
	c.identical(t, 2)
	want(t, c.do(t, "PUT", "/_api/collection/c/properties", `{"replicationFactor":1}`), 400, 10)
	want(t, c.do(t, "PUT", "/_api/collection/c/properties", `{"replicationFactor":1,"writeConcern":1}`), 200, 0)
	c.identical(t, 1)
}

// With fewer replicas in sync than the write concern asks for, writes are refused and
// reads are not.
func TestWriteConcernRefusesWrites(t *testing.T) {
	t.Parallel() // it mostly waits
	c := startCluster(t, options{dbservers: 2})
	want(t, c.do(t, "POST", "/_api/collection", `{"name":"c","replicationFactor":2,"writeConcern":2}`), 200, 0)
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"k"}`), 202, 0)
	follower := c.shards(t, "")[0].Followers[0]
	for _, s := range c.dbservers {
		if s.ID() == follower {
			closing(t, s.Close)
		}
	}
	var last answer
	require.Eventually(t, func() bool {
		last = c.do(t, "POST", "/_api/document/c", `{}`)
		return last.status == 403
	}, patience, 50*time.Millisecond, "%v", &last)
	want(t, last, 403, 1004)
	require.Empty(t, last.header.Get("Retry-After"))
	items := c.do(t, "POST", "/_api/document/c", `[{},{}]`).list(t)
	require.Len(t, items, 2)
	for _, item := range items {
		require.EqualValues(t, 1004, item["errorNum"])
	}
	want(t, c.do(t, "GET", "/_api/document/c/k", ""), 200, 0)
	want(t, c.do(t, "PUT", "/_api/collection/c/properties", `{"writeConcern":1}`), 200, 0)
	require.Eventually(t, func() bool { return c.do(t, "POST", "/_api/document/c", `{}`).status == 202 }, patience, 50*time.Millisecond)
}

// When a leader dies its shards answer 503 and say when to come again, until
// another leads them; the others go on.
func TestFailoverSeenByClients(t *testing.T) {
	t.Parallel() // it mostly waits
	c := startCluster(t, options{dbservers: 3, timing: coordinator.Timing{NoLeader: 200 * time.Millisecond}})
	want(t, c.do(t, "POST", "/_api/collection", `{"name":"c","replicationFactor":3,"numberOfShards":1}`), 200, 0)
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"k"}`), 202, 0)
	leader := c.shards(t, "")[0].Leader
	for _, s := range c.dbservers {
		if s.ID() == leader {
			closing(t, s.Close)
		}
	}
	a := c.do(t, "GET", "/_api/document/c/k", "")
	want(t, a, 503, 1465)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	require.Eventually(t, func() bool { return c.do(t, "GET", "/_api/document/c/k", "").status == 200 }, patience, 100*time.Millisecond)
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"l"}`), 202, 0)
	s := c.shards(t, "")[0]
	require.NotEqual(t, leader, s.Leader)
	require.Greater(t, s.Term, uint64(1))

	// The supervision says what it did, and why.
	events := c.do(t, "GET", client.PathEvents, "").body
	require.Contains(t, events, "leader changed")
	require.Contains(t, events, s.Shard)
	require.Len(t, strings.Split(strings.TrimSpace(c.do(t, "GET", client.PathEvents+"?last=2", "").body), "\n"), 2)
	want(t, c.do(t, "GET", client.PathEvents+"?last=x", ""), 400, 10)
	kinds := map[string]bool{}
	var jobs client.Jobs
	require.NoError(t, json.Unmarshal([]byte(c.do(t, "GET", client.PathJobs, "").body), &jobs))
	for _, j := range jobs.Jobs {
		kinds[j.Type] = true
	}
	require.Contains(t, slices.Collect(maps.Keys(kinds)), keys.JobFailedLeader)
}

// A follower of the events gets new ones, and does not keep the server from stopping.
func TestEventsAreFollowed(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	coord, err := client.New(c.coordinators[0].URL(), client.Options{HTTP: c.http})
	require.NoError(t, err)
	mark := keys.Event{Time: "2026-01-01T00:00:00.000Z", Step: "the test's"}
	var heard []client.Decision
	err = coord.Stream(ctx, client.PathEvents+"?follow=true&last=0", func() {
		_, err := c.agency().Write(ctx, agencyclient.Tx{Ops: map[string]any{keys.SupervisionEvents: agencyclient.PushQueue(mark, 256)}})
		require.NoError(t, err)
	}, func(raw json.RawMessage) error {
		var e client.Decision
		if err := json.Unmarshal(raw, &e); err != nil {
			return err
		}
		if heard = append(heard, e); e.Step == mark.Step {
			go func() { closing(t, c.coordinators[0].Close) }()
		}
		return nil
	})
	if err != nil {
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	}
	require.Contains(t, heard, client.Decision{Time: mark.Time, Step: mark.Step})
}

// Other servers are asked for themselves.
func TestQuestionsToNodes(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	id := c.dbservers[0].ID()
	for path, name := range map[string]string{"nodeVersion": "version", "nodeEngine": "name", "nodeStatistics": "server"} {
		a := c.do(t, "GET", "/_admin/cluster/"+path+"?ServerID="+id, "")
		want(t, a, 200, 0)
		require.NotEmpty(t, a.decode(t)[name], a.body)
		want(t, c.do(t, "GET", "/_admin/cluster/"+path+"?ServerID="+c.coordinators[0].ID(), ""), 200, 0)
		want(t, c.do(t, "GET", "/_admin/cluster/"+path+"?ServerID=PRMR-x", ""), 400, 10)
		want(t, c.do(t, "GET", "/_admin/cluster/"+path, ""), 400, 10)
	}
	want(t, c.do(t, "GET", "/_admin/cluster/statistics?DBserver="+id, ""), 200, 0)
	closing(t, c.dbservers[0].Close)
	a := c.do(t, "GET", "/_admin/cluster/nodeVersion?ServerID="+id, "")
	require.Equal(t, http.StatusRequestTimeout, a.status, a.body)
	require.EqualValues(t, 504, a.decode(t)["errorNum"])
}
