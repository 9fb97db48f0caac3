package coordinator_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator"
	"stasis/event"
	"stasis/internal/network"
)

func TestServerEndpoints(t *testing.T) {
	c := startCluster(t, options{dbservers: 1, coordinators: 2})
	id := c.coordinators[0].ID()
	for path, wanted := range map[string]string{
		"/_api/version":               `{"server":"arango","license":"enterprise","version":"3.12.5"}`,
		"/_admin/server/role":         `{"error":false,"code":200,"errorNum":0,"role":"COORDINATOR","mode":"default"}`,
		"/_admin/server/id":           `{"error":false,"code":200,"id":"` + id + `"}`,
		"/_admin/server/mode":         `{"error":false,"code":200,"mode":"default"}`,
		"/_admin/server/availability": `{"error":false,"code":200,"mode":"default"}`,
		"/_admin/license":             `{"status":"good","upgrading":false,"features":{}}`,
		"/_api/engine":                `{"name":"rocksdb","supports":{"indexes":["primary"]}}`,
		"/_api/cluster/endpoints":     `{"error":false,"code":200,"endpoints":[` + endpointsOf(c) + `]}`,
	} {
		a := c.do(t, "GET", path, "")
		want(t, a, 200, 0)
		require.JSONEq(t, wanted, a.body, path)
		require.Equal(t, a.body, c.do(t, "GET", "/_db/_system"+path, "").body)
	}
	details := c.do(t, "GET", "/_api/version?details=true", "").decode(t)["details"].(map[string]any)
	require.Equal(t, "COORDINATOR", details["role"])
	require.Equal(t, "none", details["v8-version"])
	status := c.do(t, "GET", "/_admin/status", "").decode(t)["serverInfo"].(map[string]any)
	require.Equal(t, id, status["serverId"])
	require.EqualValues(t, 1, status["rebootId"])
	require.InDelta(t, float64(time.Now().Unix()), c.do(t, "GET", "/_admin/time", "").decode(t)["time"], 60)
	require.Positive(t, c.do(t, "GET", "/_admin/statistics", "").decode(t)["server"].(map[string]any)["uptime"])
	want(t, c.do(t, "PUT", "/_admin/server/mode", `{"mode":"default"}`), 200, 0)
	want(t, c.do(t, "PUT", "/_admin/server/mode", `{"mode":"readonly"}`), 501, 9)
	want(t, c.do(t, "PUT", "/_admin/server/mode", `{"mode":"x"}`), 400, 10)

	want(t, c.do(t, "GET", "/_api/nothing", ""), 404, 404)
	want(t, c.do(t, "GET", "/", ""), 404, 404)
	want(t, c.do(t, "POST", "/_api/version", ""), 405, 405)
	want(t, c.do(t, "GET", "/_api/version/more", ""), 400, 601)
	want(t, c.do(t, "GET", "/_db/nope/_api/nothing", ""), 404, 1228)
	want(t, c.do(t, "POST", "/_db/nope/_admin/backup/list", ""), 404, 1228)
	want(t, c.do(t, "POST", "/_admin/backup", ""), 400, 601)
	want(t, c.do(t, "POST", "/_admin/backup/list/x", ""), 400, 601)
	want(t, c.do(t, "GET", "/_admin/backup", ""), 405, 405)
	require.Equal(t, 200, c.do(t, "POST", "/_admin/backup/list", "").status)
	require.Equal(t, 200, c.do(t, "POST", "/_db/_system/_admin/backup/list", "{}").status)
}

func endpointsOf(c *cluster) string {
	ids := map[string]string{}
	for _, s := range c.coordinators {
		ids[s.ID()] = `{"endpoint":"tcp://` + s.Addr() + `"}`
	}
	a, b := c.coordinators[0].ID(), c.coordinators[1].ID()
	if a > b {
		a, b = b, a
	}
	return ids[a] + "," + ids[b]
}

// Health lists every server, and clients can parse every time in it.
func TestHealthAndStatus(t *testing.T) {
	t.Parallel() // it mostly waits
	c := startCluster(t, options{dbservers: 2})
	allGood := func() bool {
		for _, e := range c.do(t, "GET", "/_admin/cluster/health", "").decode(t)["Health"].(map[string]any) {
			if e.(map[string]any)["Status"] != "GOOD" {
				return false
			}
		}
		return true
	}
	require.Eventually(t, allGood, patience, 100*time.Millisecond)
	health := c.do(t, "GET", "/_admin/cluster/health", "").decode(t)
	require.NotEmpty(t, health["ClusterId"])
	all := health["Health"].(map[string]any)
	require.Len(t, all, 4)
	for id, e := range all {
		entry := e.(map[string]any)
		require.Contains(t, entry["Endpoint"], "tcp://127.0.0.1:")
		require.Equal(t, false, entry["CanBeDeleted"])
		if entry["Role"] == "Agent" {
			require.Equal(t, c.agent.ID(), id)
			require.Equal(t, true, entry["Leading"])
			require.Equal(t, c.agent.ID(), entry["Leader"])
			require.IsType(t, 1.0, entry["LastAckedTime"])
			continue
		}
		require.Equal(t, "SERVING", entry["SyncStatus"])
		require.NotEmpty(t, entry["ShortName"])
		for _, name := range []string{"Timestamp", "SyncTime", "LastAckedTime"} {
			if at, ok := entry[name]; ok {
				_, err := time.Parse(time.RFC3339, at.(string))
				require.NoError(t, err, name)
			}
		}
	}
	c.collection(t, "c", 4)
	freeze(t, c, true)
	var status map[string]any
	require.Eventually(t, func() bool {
		status = c.do(t, "GET", "/_stasis/status", "").decode(t)
		return status["lock"] != nil
	}, patience, 10*time.Millisecond)
	require.Equal(t, health["ClusterId"], status["clusterId"])
	require.Equal(t, c.agent.ID(), status["agencyLeader"])
	require.Equal(t, "2026-01-01T00.00.00Z_x", status["lock"].(map[string]any)["id"])
	require.EqualValues(t, 0, status["epoch"])
	require.Len(t, status["dbservers"], 2)
	require.EqualValues(t, 2, status["dbservers"].(map[string]any)[c.dbservers[0].ID()].(map[string]any)["shards"])
	require.Contains(t, status["coordinators"], c.coordinators[0].ID())
	require.Positive(t, status["planVersion"])
}

// The steps of a backup can be read afterwards, and followed; a follower does not
// keep the server from stopping.
func TestStepsAreStreamed(t *testing.T) {
	c := startCluster(t, options{dbservers: 1, timing: coordinator.Timing{Shutdown: time.Hour}})
	req, err := http.NewRequestWithContext(t.Context(), "GET", c.coordinators[0].URL()+"/_stasis/steps?follow=true", nil)
	require.NoError(t, err)
	resp, err := c.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	a := c.do(t, "POST", "/_admin/backup/create", `{"label":"x"}`)
	require.Equal(t, 201, a.status, a.body)
	id := a.decode(t)["result"].(map[string]any)["id"]
	lines := bufio.NewScanner(resp.Body)
	for published := false; !published; {
		require.True(t, lines.Scan())
		var e event.Event
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		require.Equal(t, id, e.ID)
		published = e.Step == event.Published
	}
	require.Contains(t, c.do(t, "GET", "/_stasis/steps", "").body, `"step":"committed"`)
	began := time.Now()
	closing(t, c.coordinators[0].Close)
	require.Less(t, time.Since(began), time.Minute)
	for lines.Scan() { // to the end of the stream
		require.NotEmpty(t, lines.Text())
	}
}

// A coordinator with a directory keeps its id; each start has a new reboot id; the
// directory belongs to one process and one role.
func TestIdentity(t *testing.T) {
	c := startCluster(t, options{})
	config := coordinator.Config{Dir: "d", FS: vfs.NewMem(), Listen: "127.0.0.1:0", Agency: []string{c.agent.URL()}, Network: network.TCP()}
	s, err := coordinator.Start(t.Context(), config)
	require.NoError(t, err)
	_, err = coordinator.Start(t.Context(), config)
	require.ErrorContains(t, err, "in use")
	closing(t, s.Close)
	closing(t, s.Close) // again
	again, err := coordinator.Start(t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, s.ID(), again.ID())
	closing(t, again.Close)
	root, err := c.agency().Read(t.Context(), keys.ServerKnown(s.ID()))
	require.NoError(t, err)
	reboots, _ := root.At(keys.ServerKnown(s.ID()) + "/rebootId").Int()
	require.EqualValues(t, 2, reboots)
}

// Without an agency a coordinator does not start, says why, and leaves nothing behind.
func TestStartWithoutAgency(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := coordinator.Start(ctx, coordinator.Config{Listen: "127.0.0.1:0", Agency: []string{"http://127.0.0.1:1"}})
	require.ErrorContains(t, err, "bootstrap the agency")
}

// Bodies are bounded, whether they say how long they are, come in pieces, or are compressed.
func TestBodyLimits(t *testing.T) {
	c := startCluster(t, options{dbservers: 1, limits: coordinator.Limits{BodyBytes: 1000}})
	c.collection(t, "c", 1)
	large := `{"a":"` + strings.Repeat("x", 2000) + `"}`
	want(t, c.do(t, "POST", "/_api/document/c", large), 413, 413)
	a, err := c.send(t.Context(), c.coordinators[0].URL(), "POST", "/_api/document/c", bufio.NewReader(strings.NewReader(large)))
	require.NoError(t, err)
	want(t, a, 413, 413)
	compressed := func(s string) string {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		_, err := w.Write([]byte(s))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return buf.String()
	}
	want(t, c.do(t, "POST", "/_api/document/c", compressed(large), "Content-Encoding: gzip"), 413, 413)
	want(t, c.do(t, "POST", "/_api/document/c", compressed(`{"_key":"z"}`), "Content-Encoding: gzip"), 202, 0)
	want(t, c.do(t, "POST", "/_api/document/c", "no gzip", "Content-Encoding: gzip"), 400, 400)
	want(t, c.do(t, "POST", "/_api/document/c", "{}", "Content-Encoding: br"), 415, 400)
	want(t, c.do(t, "POST", "/_api/document/c", "{\"a\":\"\xff\"}"), 400, 600)
}

// Close is bounded, also while a create waits for a backup to end; until then new
// requests hear that the server stops.
func TestCloseIsBounded(t *testing.T) {
	c := startCluster(t, options{dbservers: 1, timing: coordinator.Timing{Shutdown: time.Second}})
	freeze(t, c, true)
	url := c.coordinators[0].URL()
	pending := make(chan answer)
	go func() {
		a, err := c.send(context.Background(), url, "POST", "/_api/collection", strings.NewReader(`{"name":"c"}`))
		if err != nil {
			a.body = err.Error()
		}
		pending <- a
	}()
	require.Never(t, func() bool { return len(pending) > 0 }, 300*time.Millisecond, 10*time.Millisecond)
	began := time.Now()
	closing(t, c.coordinators[0].Close)
	require.Less(t, time.Since(began), time.Minute)
	a := <-pending
	require.NotEqual(t, 200, a.status)
	root, err := c.agency().Read(t.Context(), keys.PlanCollections)
	require.NoError(t, err)
	require.Zero(t, root.At(keys.PlanCollections+"/_system").Len())
}

// When the agency is gone, data is served on; what needs the agency says so, in time.
func TestWithoutAgency(t *testing.T) {
	t.Parallel() // it mostly waits
	c := startCluster(t, options{dbservers: 1, timing: coordinator.Timing{Agency: 500 * time.Millisecond}})
	c.collection(t, "c", 1)
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"k"}`), 202, 0)
	closing(t, c.agent.Close)
	began := time.Now()
	want(t, c.do(t, "GET", "/_api/document/c/k", ""), 200, 0)
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"l"}`), 202, 0)
	require.Less(t, time.Since(began), time.Minute)
	for _, a := range []answer{
		c.do(t, "GET", "/_api/document/unknown/k", ""),
		c.do(t, "POST", "/_api/collection", `{"name":"x"}`),
	} {
		want(t, a, 503, 1492)
		require.NotEmpty(t, a.header.Get("Retry-After"))
	}
	health := c.do(t, "GET", "/_admin/cluster/health", "").decode(t)["Health"].(map[string]any)
	require.Contains(t, health, c.dbservers[0].ID())
	require.Less(t, time.Since(began), patience)
}
