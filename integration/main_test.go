// Package integration tests whole clusters: real clients, faults, and the
// consistency of what is restored. No package imports it.
//
// STASIS_SOAK=1 (make soak) runs the large numbers instead of a tenth of them.
package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/client"
	"stasis/internal/atonce"
	"stasis/internal/bubbles"
	"stasis/internal/network"
	"stasis/lab"
	"stasis/minicluster"
)

func TestMain(m *testing.M) {
	lab.Main() // a run that play has started
	atonce.Clusters()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		dir, err := builds()
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

// binary builds the program as its users have it. The race detector would make processes some times slower, so it runs
// in one process, with the servers in it; [racing] is for tests that look for what it finds in others.
var binary = sync.OnceValues(func() (string, error) { return build("stasis") })

// racing builds the program with the race detector, if the tests have it. What it finds is in the logs of servers: see
// [requireNoRace].
var racing = sync.OnceValues(func() (string, error) {
	if !bubbles.Race {
		return binary()
	}
	return build("stasis-racing", "-race")
})

// builds is the folder of programs.
var builds = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "stasis-integration-") })

func build(name string, flags ...string) (string, error) {
	dir, err := builds()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	args := append([]string{"build", "-ldflags=-s -w", "-o", path}, flags...) // to link takes less
	if out, err := exec.Command("go", append(args, "stasis/cmd/stasis")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, nil
}

// requireNoRace demands that the race detector has found nothing in processes that have ended.
func requireNoRace(t testing.TB, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "logs", "*.log*"))
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	for _, path := range logs {
		said, err := os.ReadFile(path)
		require.NoError(t, err)
		if at := bytes.Index(said, []byte("WARNING: DATA RACE")); at >= 0 {
			t.Errorf("%s: %s", path, said[at:min(at+4000, len(said))])
		}
	}
}

// scale gives the number of rounds: few, or with STASIS_SOAK=1 many.
func scale(few, many int) int {
	if os.Getenv("STASIS_SOAK") != "" {
		return many
	}
	return few
}

// modes runs the test on both kinds of cluster.
func modes(t *testing.T, test func(t *testing.T, o minicluster.Options)) {
	for name, mode := range map[string]minicluster.Mode{"inprocess": minicluster.InProcess, "processes": minicluster.Processes} {
		t.Run(name, func(t *testing.T) { test(t, options(t, mode)) })
	}
}

func options(t testing.TB, mode minicluster.Mode) minicluster.Options {
	o := minicluster.Options{
		Dir: t.TempDir(), Mode: mode, Agents: 3, DBServers: 3, Coordinators: 2,
		Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Warn}),
	}
	if mode == minicluster.Processes {
		path, err := binary()
		require.NoError(t, err)
		o.Program.Path = path
	}
	return o
}

// cluster is a running one with a client of each coordinator.
type cluster struct {
	*minicluster.Cluster
	clients []*client.Client
}

// start starts a cluster; it is stopped when the test ends, unless stopped before.
func start(t testing.TB, o minicluster.Options) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	mc, err := minicluster.Start(ctx, o)
	require.NoError(t, err)
	c := &cluster{Cluster: mc}
	t.Cleanup(func() { c.stop(t) })
	require.NoError(t, mc.Ready(ctx))
	h := network.NewHTTPClient(network.TCP())
	t.Cleanup(h.CloseIdleConnections)
	_, _, coordinators := mc.Nodes()
	for _, n := range coordinators {
		cl, err := client.New(n.URL, client.Options{HTTP: h})
		require.NoError(t, err)
		c.clients = append(c.clients, cl)
	}
	return c
}

func (c *cluster) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	require.NoError(t, c.Stop(ctx))
}

func (c *cluster) db(i int) *client.Database {
	return c.clients[i%len(c.clients)].Database("_system")
}

// eventually waits for a condition and says what the last look found.
func eventually(t testing.TB, limit time.Duration, look func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(t, err, "still so after %v", limit)
		}
		<-tick.C
	}
}

func status(t testing.TB, cl *client.Client) client.Status {
	t.Helper()
	var s client.Status
	require.NoError(t, cl.Do(t.Context(), "GET", client.PathStatus, nil, &s))
	return s
}
