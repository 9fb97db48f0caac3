package agency

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/internal/version"
)

// TestDataCalls walks through the HTTP contract in order, on one agency: each row
// sees what the rows before it left.
func TestDataCalls(t *testing.T) {
	s := alone(t, t.TempDir())
	for _, row := range []struct{ call, body, mode, want string }{
		{"read", `[["/"]]`, "", `200 [{}]`}, // pristine: no key of ours
		{"write", `[[{"a":1}]]`, "", `200 {"results":[1]}`},
		{"write", `[[{"a":{"op":"increment"}},{"a":{"old":1}}],[{"b":1},{"a":1}],[{"b":2}]]`, "", `412 {"results":[2,0,3]}`},
		{"write", `[[{"a":{"op":"nonsense"}}],[],[{},{},"x",4]]`, "", `200 {"results":[0,0,0]}`},
		{"write", `[[{".agency":1}],[{"c":1},{"c":7}],[{"c":1}]]`, "", `403 {"results":[0,0,4]}`},
		{"write", `[[{"/.agency/x":1}]]`, "", `403 {"results":[0]}`},
		{"write", `[]`, "", `400 {"message":"empty request"}`},
		{"write", `{}`, "", `400`},
		{"write", `null`, "", `400`},
		{"write", `[[{"z":1}]`, "", `400`},
		{"write", `[[{"z":1}],{"z":2}]`, "", `400`}, // nothing of it is applied
		{"write", `[[{"z":1}],["z"]]`, "", `400`},
		{"read", `[["z"]]`, "", `200 [{}]`},
		{"write", `[[{"d":1}]]`, "noWait", `200 {}`},
		{"write", `[[{"d":{"op":"increment"}}]]`, "waitForSequenced", `200 {"results":[6]}`},
		{"read", `[["a"],["d"],[]]`, "", `200 [{"a":2},{"d":2},{}]`},
		{"read", `[["a","b"]]`, "", `200 [{"a":2,"b":2}]`},
		{"read", `["a"]`, "", `400`},
		{"read", `[[1]]`, "", `400`},
		{"read", `[[null]]`, "", `400`},
		{"read", `x`, "", `400`},
		{"read", `[]`, "", `200 []`},
		{"transact", `[["a"],[{"a":{"op":"increment"}}],["a"]]`, "", `200 [{"a":2},7,{"a":3}]`},
		{"transact", `[[{"a":9},{"b":17}],["a"],[{"a":9},{"x":{"oldEmpty":false}}],[{"a":4}],["a"]]`, "", `412 [{"b":2},{"a":3},{},8,{"a":4}]`},
		{"transact", `[["a"],17,{},[],[[]],null]`, "", `200 [{"a":4}]`}, // other kinds add no entry
		{"transact", `[[{"a":{"op":"?"}}],["a"]]`, "", `412 [0,{"a":4}]`},
		{"transact", `[[{"/.agency/a":1}],["a"]]`, "", `403 [0,{"a":4}]`},
		{"transact", `[["a",1]]`, "", `400`},
		{"transact", `17`, "", `400`},
		{"transient", `[[{"t":1}],["t"],[{"t":2},{"t":5}],["t"]]`, "", `200 [true,{"t":1},false,{"t":1}]`},
		{"read", `[["t"]]`, "", `200 [{}]`},
		{"inquire", `["id"]`, "", `404 {"results":[0],"inquired":true}`},
		{"write", `[[{"e":1},{},"id"],[{"e":2},{},"id"],[{"e":3},{"e":9},"id"]]`, "", `412 {"results":[9,10,0]}`},
		{"inquire", `["id"]`, "", `200 {"results":[10],"inquired":true}`},
		{"inquire", `["id","other"]`, "noWait", `404 {"results":[10,0],"inquired":true}`},
		{"inquire", `{}`, "", `400`},
		{"inquire", `[1]`, "", `400`},
		{"write", `[[{"html":"<&>"}]]`, "", `200 {"results":[11]}`},
		{"read", `[["html"]]`, "", `200 [{"html":"<&>"}]`},
	} {
		var header []string
		if row.mode != "" {
			header = []string{"X-ArangoDB-Agency-Mode", row.mode}
		}
		got := s.post(row.call, row.body, header...)
		if strings.Contains(row.want, " ") {
			require.Equal(t, row.want, got.String(), "%s %s", row.call, row.body)
		} else {
			require.True(t, strings.HasPrefix(got.String(), row.want+` {"message":"`), "%s %s: %s", row.call, row.body, got)
		}
	}
}

// TestMalformedNeverLogged: an idle or badly asked agency writes nothing.
func TestMalformedNeverLogged(t *testing.T) {
	s := alone(t, t.TempDir())
	before := s.node.Raft.LastIndex()
	for _, body := range []string{`x`, `[]`, `[7]`, `[[]]`, `[["x"]]`, `[[{"/.agency":1}]]`, `[[{},[]]]`} {
		s.post("write", body)
		s.post("transact", body)
	}
	s.post("read", `[["/"]]`)
	s.post("transact", `[["/"]]`)
	s.post("inquire", `["x"]`)
	s.post("transient", `[[{"x":1}]]`)
	require.Equal(t, before, s.node.Raft.LastIndex())
}

func TestPaths(t *testing.T) {
	s := alone(t, t.TempDir())
	for _, row := range []struct{ method, path, want string }{
		{"GET", "/_api/agency", `404`},
		{"GET", "/_api/agencyx", `404`},
		{"GET", "/_api/agency/config/more", `404`},
		{"GET", "/_api/agency/nothing", `404`},
		{"GET", "/nothing", `404`},
		{"GET", "/_api/agency/write", `405`},
		{"POST", "/_api/agency/poll", `405`},
		{"POST", "/_api/version", `405`},
		{"GET", "/_db/_system/_api/agency/config", `200`},
		{"GET", "/_db/other/_api/agency/config", `404`},
		{"GET", "/_api/agency/poll?index=x", `400`},
		{"GET", "/_api/agency/poll?timeout=-1", `400`},
		{"GET", "/_api/agency/poll?timeout=NaN", `400`},
		{"GET", "/_admin/status", `200`},
		{"GET", "/_admin/server/availability", `200`},
	} {
		got := s.ask(row.method, row.path, "")
		require.Equal(t, row.want, got.String()[:3], "%s %s: %s", row.method, row.path, got)
		require.Equal(t, "ArangoDB", got.header.Get("Server"))
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
		if row.want == "404" && !strings.HasPrefix(row.path, "/_db") {
			require.EqualValues(t, 404, decoded(t, got)["errorNum"])
		}
	}
	require.EqualValues(t, 1228, decoded(t, s.ask("GET", "/_db/other/_api/agency/config", ""))["errorNum"])
}

func TestStatusPages(t *testing.T) {
	s := alone(t, t.TempDir())
	s.post("write", `[[{"a":1},{},"me"],[{"b":2}]]`)
	s.post("transient", `[[{"t":1}]]`)

	require.Equal(t, "AGENT", decoded(t, s.ask("GET", "/_admin/server/role", ""))["role"])
	require.Equal(t, s.ID(), decoded(t, s.ask("GET", "/_admin/server/id", ""))["id"])
	require.Equal(t, version.API, decoded(t, s.ask("GET", "/_api/version", ""))["version"])
	require.Equal(t, "AGENT", decoded(t, s.ask("GET", "/_api/version?details=true", ""))["details"].(map[string]any)["role"])
	info := decoded(t, s.ask("GET", "/_admin/status", ""))["serverInfo"].(map[string]any)
	require.Equal(t, s.ID(), info["serverId"])

	config := decoded(t, s.get("config"))
	require.Equal(t, s.ID(), config["leaderId"])
	require.EqualValues(t, 2, config["commitIndex"])
	require.Contains(t, config["lastAcked"], s.ID())
	inner := config["configuration"].(map[string]any)
	require.EqualValues(t, 8192, inner["compaction step size"])
	require.EqualValues(t, 20000, inner["compaction keep size"])
	require.Equal(t, map[string]any{s.ID(): "tcp://" + s.Addr()}, inner["pool"])

	state := decoded(t, s.get("state"))
	require.EqualValues(t, 2, state["index"])
	require.EqualValues(t, 0, state["current"])
	entry := state["log"].([]any)[0].(map[string]any)
	require.Equal(t, "00000000000000000001", entry["_key"])
	require.Equal(t, "me", entry["clientId"])
	require.Equal(t, map[string]any{"a": 1.0}, entry["query"])
	require.NotZero(t, entry["term"])
	require.NotZero(t, entry["timestamp"])

	stores := decoded(t, s.get("stores"))
	require.Equal(t, []any{map[string]any{"a": 1.0, "b": 2.0}}, stores["read_db"])
	require.Equal(t, []any{map[string]any{"t": 1.0}}, stores["transient"])
}

// TestOwnClientReadsConfig: the wire types of the client fit what is sent.
func TestOwnClientReadsConfig(t *testing.T) {
	s := alone(t, t.TempDir())
	c := agencyclient.New(agencyclient.Options{Endpoints: []string{s.URL()}, HTTP: s.http, Logger: logger(t)})
	config, err := c.ConfigOf(t.Context(), s.URL())
	require.NoError(t, err)
	require.Equal(t, s.ID(), config.LeaderID)
	require.Equal(t, map[string]string{s.ID(): "tcp://" + s.Addr()}, config.Configuration.Pool)
	require.Contains(t, config.LastAcked, s.ID())
}

func TestBodyLimit(t *testing.T) {
	s := alone(t, t.TempDir(), func(c *Config) { c.MaxBodyBytes = 1000 })
	require.Equal(t, 200, s.post("write", `[[{"a":"`+strings.Repeat("x", 900)+`"}]]`).status)
	got := s.post("write", `[[{"a":"`+strings.Repeat("x", 1000)+`"}]]`)
	require.Equal(t, 413, got.status)
	require.EqualValues(t, 413, decoded(t, got)["errorNum"])
}

// TestOnePort: HTTP/2 without TLS, HTTP/1.1 sent byte by byte, and silent
// connections all work beside Raft on the one port.
func TestOnePort(t *testing.T) {
	s := alone(t, t.TempDir())
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	two := &http.Transport{Protocols: &protocols}
	response, err := (&http.Client{Transport: two}).Get(s.URL() + "/_api/version")
	require.NoError(t, err)
	require.Equal(t, 2, response.ProtoMajor)
	require.NoError(t, response.Body.Close())
	two.CloseIdleConnections()

	silent, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer func() { require.NoError(t, silent.Close()) }()

	// "STATUS" begins like a Raft stream and is none.
	for _, request := range []string{"GET /_api/version HTTP/1.0\r\n\r\n", "STATUS / HTTP/1.0\r\n\r\n"} {
		conn, err := net.Dial("tcp", s.Addr())
		require.NoError(t, err)
		for i := range request {
			_, err := io.WriteString(conn, request[i:i+1])
			require.NoError(t, err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "HTTP/1.0 ")
		require.NoError(t, conn.Close())
	}
}

func TestStartRefuses(t *testing.T) {
	dir := t.TempDir()
	s := alone(t, dir, onBolt)
	_, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, Logger: logger(t)})
	require.ErrorContains(t, err, "in use")
	s.end()
	_, err = Start(t.Context(), Config{ID: "AGNT-other", Listen: "127.0.0.1:0", Dir: dir, Logger: logger(t)})
	require.ErrorContains(t, err, "belongs to agent "+s.ID())
	_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	require.ErrorContains(t, err, "data directory")
	_, err = Start(t.Context(), Config{ID: "x", Listen: "127.0.0.1:0", Dir: dir, Peers: map[string]string{"y": "z:1"}})
	require.ErrorContains(t, err, "not among its peers")
	_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, Peers: map[string]string{"y": "z:1"}})
	require.ErrorContains(t, err, "needs its id")
	require.NoError(t, os.WriteFile(dir+"/raft.db", []byte("not a database, but longer than a page needs to be"), 0o600))
	_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, Logger: logger(t)})
	require.ErrorContains(t, err, "raft.db")
}

func TestCloseAnswersAndEnds(t *testing.T) {
	s := alone(t, t.TempDir())
	polling := make(chan reply, 1)
	go func() {
		r, err := s.send(t.Context(), "GET", s.URL()+"/_api/agency/poll?index=1", "")
		if err != nil {
			r.body = err.Error()
		}
		polling <- r
	}()
	require.Eventually(t, func() bool { return s.server != nil }, waitMax, waitStep)
	s.end()
	got := <-polling
	if got.status != 0 { // it had arrived
		require.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
	}
	require.False(t, s.IsLeader())
}
