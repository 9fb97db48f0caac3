package coordinator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/agency"
	agencyclient "stasis/agency/client"
	"stasis/coordinator"
	"stasis/coordinator/api/admin"
	"stasis/dbserver"
	"stasis/internal/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is one agent, some DB servers and some coordinators on loopback, with
// their data in memory.
type cluster struct {
	agent        *agency.Agent
	dbservers    []*dbserver.Server
	coordinators []*coordinator.Server
	http         *http.Client
	logger       hclog.Logger
	options      options
}

type options struct {
	dbservers, coordinators int
	timing                  coordinator.Timing
	limits                  coordinator.Limits
	admin                   admin.Timeouts
	log                     io.Writer // the test's output if nil
}

func startCluster(t *testing.T, o options) *cluster {
	t.Helper()
	c := &cluster{options: o, http: network.NewHTTPClient(network.TCP())}
	if o.log == nil {
		o.log = t.Output()
	}
	c.logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: o.log})
	t.Cleanup(c.http.CloseIdleConnections)
	var err error
	c.agent, err = agency.Start(t.Context(), agency.Config{
		Listen: "127.0.0.1:0", Dir: "agent", FS: vfs.NewMem(), Network: network.TCP(), Logger: c.logger.Named("agent"),
		Timing: agency.Timing{Heartbeat: 100 * time.Millisecond, Election: 100 * time.Millisecond, Lease: 50 * time.Millisecond},
	})
	require.NoError(t, err)
	t.Cleanup(func() { closing(t, c.agent.Close) })
	for range o.dbservers {
		c.startDBServer(t)
	}
	for range max(o.coordinators, 1) {
		c.startCoordinator(t)
	}
	return c
}

func closing(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	require.NoError(t, f(ctx))
}

func (c *cluster) startDBServer(t *testing.T) *dbserver.Server {
	t.Helper()
	s, err := dbserver.Start(t.Context(), dbserver.Config{
		Dir: "data", FS: vfs.NewMem(), Listen: "127.0.0.1:0", Agency: []string{c.agent.URL()}, Network: network.TCP(), Logger: c.logger.Named("dbserver"),
	})
	require.NoError(t, err)
	t.Cleanup(func() { closing(t, s.Close) })
	c.dbservers = append(c.dbservers, s)
	return s
}

func (c *cluster) startCoordinator(t *testing.T) *coordinator.Server {
	t.Helper()
	s, err := coordinator.Start(t.Context(), coordinator.Config{
		Listen: "127.0.0.1:0", Agency: []string{c.agent.URL()}, Network: network.TCP(), Logger: c.logger.Named("coordinator"),
		Timing: c.options.timing, Limits: c.options.limits, Admin: c.options.admin,
	})
	require.NoError(t, err)
	t.Cleanup(func() { closing(t, s.Close) })
	c.coordinators = append(c.coordinators, s)
	return s
}

func (c *cluster) agency() *agencyclient.Client {
	return agencyclient.New(agencyclient.Options{Endpoints: []string{c.agent.URL()}, HTTP: c.http, Logger: hclog.NewNullLogger()})
}

// answer is what a coordinator said.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) decode(t *testing.T) map[string]any {
	t.Helper()
	m := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(a.body), &m), a.body)
	return m
}

func (a answer) list(t *testing.T) []map[string]any {
	t.Helper()
	var l []map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &l), a.body)
	return l
}

// do sends a request to the first coordinator; headers are "name: value".
func (c *cluster) do(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	return c.doAt(t, c.coordinators[0].URL(), method, path, body, headers...)
}

func (c *cluster) doAt(t *testing.T, url, method, path, body string, headers ...string) answer {
	t.Helper()
	a, err := c.send(t.Context(), url, method, path, strings.NewReader(body), headers...)
	require.NoError(t, err)
	return a
}

func (c *cluster) send(ctx context.Context, url, method, path string, body io.Reader, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url+path, body)
	if err != nil {
		return answer{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	var buf bytes.Buffer
	_, err = buf.ReadFrom(resp.Body)
	return answer{resp.StatusCode, resp.Header, buf.String()}, err
}

// want demands an answer's status and, of an error, its number.
func want(t *testing.T, a answer, status, num int) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	if num != 0 {
		m := a.decode(t)
		require.EqualValues(t, num, m["errorNum"], a.body)
		require.EqualValues(t, status, m["code"], a.body)
		require.Equal(t, true, m["error"], a.body)
		require.NotEmpty(t, m["errorMessage"])
	}
}

func (c *cluster) collection(t *testing.T, name string, shards int) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "numberOfShards": shards})
	require.NoError(t, err)
	want(t, c.do(t, "POST", "/_api/collection", string(body)), 200, 0)
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}
