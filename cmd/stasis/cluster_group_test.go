package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/cmd/stasis/show"
	"stasis/minicluster"
)

// shell runs commands against a real cluster.
type shell struct {
	t   *testing.T
	url string
}

func (s shell) run(args string) (status int, out, errOut string) {
	s.t.Helper()
	return stasis(append(strings.Fields(args), "--endpoint", s.url)...)
}

func (s shell) ok(args string) string {
	s.t.Helper()
	status, out, errOut := s.run(args)
	require.Zero(s.t, status, "%s: %s %s", args, out, errOut)
	return out
}

func (s shell) fails(args, because string) {
	s.t.Helper()
	status, out, errOut := s.run(args)
	require.Equal(s.t, 1, status, "%s: %s", args, out)
	require.Contains(s.t, errOut, because, args)
}

func (s shell) shards() []client.Shard {
	s.t.Helper()
	var all client.Shards
	require.NoError(s.t, json.Unmarshal([]byte(s.ok("shards --json")), &all))
	return all.Shards
}

// A cluster is administered from the command line.
func TestClusterCommands(t *testing.T) {
	t.Parallel()
	cluster, err := minicluster.Start(t.Context(), minicluster.Options{
		Dir: t.TempDir(), Mode: minicluster.InProcess, Agents: 1, DBServers: 3, Coordinators: 1,
		Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Warn}),
	})
	require.NoError(t, err)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		require.NoError(t, cluster.Stop(ctx))
	}()
	_, dbservers, coordinators := cluster.Nodes()
	s := shell{t: t, url: coordinators[0].URL}
	file := filepath.Join(t.TempDir(), "people.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("{}\n", 200)), 0o600))
	require.Contains(t, s.ok("import --collection people --shards 3 --replication-factor 2 --write-concern 2 "+file), "200 created")

	require.Contains(t, s.ok("shards --collection people --checksum"), "identical")
	require.Regexp(t, `dbserver-\d: checksum [0-9a-f]{16}, \d+ documents, at 1\.\d+, committed \d+ \(follower\)`, s.ok("shards --checksum"))
	s.fails("shards --collection nobody", "collection or view not found")
	s.fails("shards --database nope", "database not found: nope")
	s.fails("shards --database nope --collection people", "database not found: nope")
	require.Contains(t, s.ok("status"), "REPLICAS")
	require.Regexp(t, `(?m)^dbserver-\d +PRMR-\S+ +DBServer000\d +\d+ +tcp://\S+ +(GOOD|BAD) .*/dbserver-\d`, s.ok("status"))
	require.Regexp(t, `(?m)^coordinator-1 +CRDN-\S+ +Coordinator0001 +\d+ +tcp://\S+ +(GOOD|BAD)`, s.ok("status"))
	s.fails("cluster remove nope", `there is no server "nope"; there are coordinator-1 (CRDN-`)

	moved := s.shards()[0]
	free := ""
	for _, d := range dbservers {
		if d.ID != moved.Leader && d.ID != moved.Followers[0] {
			free = d.ID
		}
	}
	_, _, progress := s.run("cluster move " + moved.Shard + " --to " + free)
	require.Contains(t, progress, "moveShard "+moved.Shard+" from dbserver-")
	require.Contains(t, progress, ": done")
	require.Equal(t, free, s.shards()[0].Leader)
	s.ok("cluster move " + moved.Shard + " --to " + moved.Followers[0]) // which has a replica: only the lead goes there
	require.Equal(t, moved.Followers[0], s.shards()[0].Leader)
	require.Equal(t, []string{free}, s.shards()[0].Followers)
	s.fails("cluster move s0 --to "+free, `there is no shard "s0"`)
	s.fails("cluster move "+moved.Shard+" --to dbserver-7", `unknown DB server "dbserver-7": there are dbserver-1 (PRMR-`)

	s.ok("cluster resign dbserver-1")
	require.NotContains(t, leadersOf(s.shards()), dbservers[0].ID)
	s.ok("cluster rebalance")
	require.Equal(t, "0 moves\n", s.ok("cluster rebalance --dry-run"))
	require.Equal(t, "Normal\n", s.ok("cluster maintenance"))
	s.maintenance(moved, free)
	s.ok("cluster maintenance 20 --server dbserver-2")
	require.Contains(t, s.ok("cluster maintenance --server dbserver-2"), "maintenance until 20")
	require.Contains(t, s.ok("cluster maintenance off --server dbserver-2"), "normal")
	s.fails("cluster maintenance tea", "want on, off or a number")

	leaves := idOf(t, s, "DBServer0003")
	s.ok("cluster clean-out DBServer0003")
	s.fails("cluster clean-out DBServer0002", "no other GOOD server is free")
	require.Contains(t, s.ok("shards --checksum"), "identical")
	name := ""
	for _, d := range dbservers {
		if d.ID == leaves {
			name = d.Name
			require.NoError(t, cluster.Kill(d.Name))
		}
	}
	require.Contains(t, s.ok("cluster remove "+name), name+" ("+leaves+") is not part of the cluster any more")
	require.NotContains(t, s.ok("status"), leaves)
	require.Contains(t, s.ok("cluster events --last 100"), "leader changed")
	require.Regexp(t, `(?m)^job \d+ cleanOutServer .*: done`, s.ok("cluster jobs --all"))
	require.Equal(t, "no job is waiting or running\n", s.ok("cluster jobs"))
}

// maintenance pauses the supervision: a job waits, a command that waits for it may leave,
// and it can be cancelled.
func (s shell) maintenance(moved client.Shard, to string) {
	t := s.t
	require.Contains(t, s.ok("cluster maintenance on"), "reactivated automatically at")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	root := rootCommand()
	seen := &watcher{until: "the supervision is in maintenance", then: cancel}
	root.SetOut(io.Discard)
	root.SetErr(seen)
	target := moved.Leader
	for _, shard := range s.shards() {
		if shard.Shard == moved.Shard && shard.Leader == target {
			target = to
		}
	}
	root.SetArgs([]string{"cluster", "move", moved.Shard, "--to", target, "--remains-follower", "--endpoint", s.url})
	err := root.ExecuteContext(ctx)
	require.ErrorContains(t, err, "interrupted; job")
	id := regexp.MustCompile(`job (\d+)`).FindStringSubmatch(err.Error())[1]
	require.Contains(t, s.ok("cluster jobs "+id), "to do")
	require.Contains(t, s.ok("cluster jobs "+id+" --cancel"), "being cancelled")
	require.Contains(t, s.ok("cluster maintenance off"), "reactivated")
	require.Eventually(t, func() bool { return strings.Contains(s.ok("cluster jobs "+id), ": failed") }, 2*time.Minute, 50*time.Millisecond)
	s.fails("cluster jobs "+id+" --cancel", "is over")
	s.fails("cluster jobs 1x", "there is no job 1x")
}

// watcher does something once a text was written to it.
type watcher struct {
	mu    sync.Mutex
	all   bytes.Buffer
	until string
	then  func()
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(p)
	if strings.Contains(w.all.String(), w.until) {
		w.then()
	}
	return len(p), nil
}

func leadersOf(shards []client.Shard) (all []string) {
	for _, s := range shards {
		all = append(all, s.Leader)
	}
	return all
}

func idOf(t *testing.T, s shell, name string) string {
	t.Helper()
	var st client.Status
	require.NoError(t, json.Unmarshal([]byte(s.ok("status --json")), &st))
	for id, server := range st.DBServers {
		if server.Name == name {
			return id
		}
	}
	require.Fail(t, "no server "+name)
	return ""
}

func TestClusterSaysWhatThereIs(t *testing.T) {
	for args, wanted := range map[string]string{"cluster": "a command is missing (want move", "cluster dance": `unknown command "dance"`} {
		status, _, errOut := stasis(strings.Fields(args)...)
		require.Equal(t, 1, status)
		require.Contains(t, errOut, wanted)
	}
}

// A job that fails makes the exit status 1 and tells the reason; answers that are
// missed meanwhile do not end the waiting.
func TestFailedJob(t *testing.T) {
	answers := []string{
		`{"jobId":"7","type":"cleanOutServer","server":"PRMR-1","status":"ToDo"}`, "", `{"jobId":"7","type":"cleanOutServer","status":"Pending","reason":"waits"}`,
		`{"jobId":"7","type":"cleanOutServer","status":"Failed","reason":"no server is free"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/_admin/cluster/cleanOutServer":
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"id":"7"}`)
		case "/_admin/cluster/queryAgencyJob":
			next := answers[0]
			answers = answers[1:]
			if next == "" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, next)
		case client.PathStatus:
			_, _ = io.WriteString(w, `{"lock":{"id":"B","operation":"create"}}`)
		default:
			_, _ = fmt.Fprint(w, `{}`)
		}
	}))
	defer server.Close()
	status, out, errOut := stasis("cluster", "clean-out", "PRMR-1", "--endpoint", server.URL)
	require.Equal(t, 1, status)
	require.Empty(t, out)
	require.Contains(t, errOut, "job 7 cleanOutServer PRMR-1: to do: waits for the end of create of backup B")
	require.Contains(t, errOut, "job 7 cleanOutServer: running: waits")
	require.Contains(t, errOut, "stasis: job 7 (cleanOutServer) failed: no server is free")
	status, out, _ = stasis("cluster", "clean-out", "PRMR-1", "--endpoint", server.URL, "--wait=false", "--json")
	require.Zero(t, status)
	require.JSONEq(t, `{"id":"7"}`, out)
}

// Replicas that differ make the exit status 1.
func TestShardsThatDiffer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"shards":[{"database":"d","collection":"c","shard":"s1","replicationFactor":2,"writeConcern":1,"leader":"A","serving":true,"followers":["B"],"inSync":["A","B"],
			"replicas":[{"server":"A","seq":5,"checksum":"01","count":3,"inSync":true},{"server":"B","seq":5,"checksum":"02","count":3,"inSync":true}]}]}`)
	}))
	defer server.Close()
	status, out, errOut := stasis("shards", "--checksum", "--endpoint", server.URL)
	require.Equal(t, 1, status)
	require.Contains(t, out, "DIVERGED")
	require.Contains(t, errOut, "the replicas of 1 of 1 shards are not identical: s1")
	status, _, _ = stasis("shards", "--endpoint", server.URL)
	require.Zero(t, status)
}

// Two DB servers at one address: one of them is not there any more, and both lines say so.
func TestStatusShowsASharedAddress(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, show.Status(&out, client.Status{DBServers: map[string]client.Server{
		"PRMR-a": {Name: "DBServer0001", Endpoint: "tcp://h:1", Status: "GOOD"},
		"PRMR-b": {Name: "DBServer0002", Endpoint: "tcp://h:2", Status: "GOOD"},
		"PRMR-c": {Name: "DBServer0003", Endpoint: "tcp://h:1", Status: "GOOD"},
	}}, client.ListResult{}))
	require.Regexp(t, `(?m)^- +PRMR-a .* same address as DBServer0003: one of them has lost its directory`, out.String())
	require.Regexp(t, `(?m)^- +PRMR-c .* same address as DBServer0001: `, out.String())
	require.Equal(t, 2, strings.Count(out.String(), "same address"))
}
