package agency

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/fault"
	"stasis/internal/atonce"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(agentDir); dir != "" {
		os.Exit(serveAgent(dir)) // this process is an agent of TestKilled
	}
	atonce.Clusters()
	goleak.VerifyTestMain(m)
}

// logger writes to the test's output.
func logger(t testing.TB) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Info})
}

// caller sends requests as a client on one host would.
type caller struct{ http *http.Client }

func newCaller(n network.Network) *caller {
	c := network.NewHTTPClient(n)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &caller{http: c}
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// send makes one request; a path with a method before it, body may be empty.
func (c *caller) send(ctx context.Context, method, url, body string, header ...string) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return reply{}, err
	}
	raw, err := io.ReadAll(response.Body)
	if cerr := response.Body.Close(); err == nil {
		err = cerr
	}
	return reply{response.StatusCode, response.Header, string(bytes.TrimSpace(raw))}, err
}

// cluster is an agency in memory, inside a synctest bubble.
type cluster struct {
	t         testing.TB
	net       *fault.Network
	peers     map[string]string
	timing    Timing
	stores    map[string]*memory
	dirs      map[string]string // who keeps its log on disk, and where
	bootstrap string            // who is started with --bootstrap
	agents    map[string]*Agent
	quotas    map[string]int64 // of who has another than the usual one
	thaws     []func()         // of disks that were made to hang
	*caller
}

// inBubble runs a test against an agency of n agents, called a, b, c…, and ends
// it. A goroutine that is left hangs the bubble and fails the test.
func inBubble(t *testing.T, n int, timing Timing, test func(*testing.T, *cluster)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		c := newCluster(t, n, timing)
		for name := range c.stores {
			c.start(name)
		}
		defer c.end() // also when the test has failed
		test(t, c)
	})
}

// newCluster makes an agency of which no agent runs yet.
func newCluster(t testing.TB, n int, timing Timing) *cluster {
	c := &cluster{t: t, net: fault.NewNetwork(), peers: map[string]string{}, timing: timing, stores: map[string]*memory{}, agents: map[string]*Agent{}}
	c.caller = newCaller(c.net.Host("client"))
	for i := range n {
		name := string(rune('a' + i))
		c.peers["AGNT-"+name] = name + ":1"
		c.stores[name] = newMemory(name)
	}
	return c
}

func (c *cluster) end() {
	for _, thaw := range c.thaws {
		thaw()
	}
	c.net.HealAll()
	for name := range c.agents {
		c.kill(name)
	}
	c.http.CloseIdleConnections()
	if err := c.net.Close(); err != nil {
		c.t.Errorf("close network: %v", err)
	}
}

func (c *cluster) start(name string) *Agent {
	c.t.Helper()
	dir, fs := c.fsOf(name)
	a, err := Start(c.t.Context(), Config{
		ID:        "AGNT-" + name,
		Listen:    c.peers["AGNT-"+name],
		Peers:     c.peers,
		Network:   c.net.Host(name),
		Dir:       dir,
		FS:        fs,
		Logger:    logger(c.t).Named(name),
		Timing:    c.timing,
		Bootstrap: c.bootstrap == name,
		TreeQuota: c.quotas[name],
	})
	require.NoError(c.t, err)
	c.agents[name] = a
	return a
}

// kill stops an agent without giving it time for anything.
func (c *cluster) kill(name string) {
	c.t.Helper()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(c.t, c.agents[name].Close(now))
	delete(c.agents, name)
}

// leader waits until one of the agents, and only one, serves as leader.
func (c *cluster) leader(except ...string) (name string) {
	c.t.Helper()
	for range 600 {
		var leaders []string
		for n, a := range c.agents {
			if a.IsLeader() && !slices.Contains(except, n) {
				leaders = append(leaders, n)
			}
		}
		if len(leaders) == 1 {
			return leaders[0]
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.Fail(c.t, "no leader")
	return ""
}

// others are the agents beside name, in order.
func (c *cluster) others(name string) []string {
	others := slices.Sorted(maps.Keys(c.agents))
	return slices.DeleteFunc(others, func(n string) bool { return n == name })
}

// ask sends a request to one agent.
func (c *cluster) ask(name, call, body string, header ...string) reply {
	c.t.Helper()
	r, err := c.try(c.t.Context(), name, call, body, header...)
	require.NoError(c.t, err)
	return r
}

func (c *cluster) try(ctx context.Context, name, call, body string, header ...string) (reply, error) {
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	return c.send(ctx, method, "http://"+c.peers["AGNT-"+name]+"/_api/agency/"+call, body, header...)
}

// alone starts an agency of one on the operating system's network and disk.
func alone(t *testing.T, dir string, change ...func(*Config)) *single {
	t.Helper()
	// Neither the disk nor the load of the machine decides here whether a test passes.
	config := Config{Listen: "127.0.0.1:0", Dir: dir, Logger: logger(t), Timing: Timing{
		Heartbeat: 50 * time.Millisecond, Election: 50 * time.Millisecond, Write: 2 * time.Minute, Read: time.Minute, DiskPatience: time.Minute,
	}}
	for _, c := range change {
		c(&config)
	}
	a, err := Start(t.Context(), config)
	require.NoError(t, err)
	s := &single{t: t, Agent: a, caller: newCaller(network.TCP())}
	t.Cleanup(s.end)
	require.Eventually(t, a.IsLeader, waitMax, waitStep)
	return s
}

type single struct {
	t *testing.T
	*Agent
	*caller
}

func (s *single) end() {
	s.http.CloseIdleConnections()
	require.NoError(s.t, s.Close(context.Background()))
}

func (s *single) ask(method, path, body string, header ...string) reply {
	s.t.Helper()
	r, err := s.send(s.t.Context(), method, s.URL()+path, body, header...)
	require.NoError(s.t, err)
	return r
}

func (s *single) post(call, body string, header ...string) reply {
	s.t.Helper()
	return s.ask(http.MethodPost, "/_api/agency/"+call, body, header...)
}

func (s *single) get(call string) reply {
	s.t.Helper()
	return s.ask(http.MethodGet, "/_api/agency/"+call, "")
}

// decoded is a JSON body as plain values.
func decoded(t testing.TB, r reply) (body map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(r.body), &body), r.body)
	return body
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

const (
	waitMax  = time.Minute
	waitStep = 5 * time.Millisecond
)

func decode(r reply, into any) error { return json.Unmarshal([]byte(r.body), into) }

// pause waits for d, or less if done is closed.
func pause(done <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
