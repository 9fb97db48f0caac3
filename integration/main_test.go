// Package integration tests whole clusters: real clients, faults, and the
// consistency of what is restored. No package imports it.
//
// STASIS_SOAK=1 (make soak) runs the large numbers instead of a tenth of them.
package integration

import (
	"context"
	"flag"
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
	"stasis/internal/bubbles"
	"stasis/internal/failpoint"
	"stasis/internal/network"
	"stasis/minicluster"
)

// parallel is how many tests of real processes run at once. They mostly wait, for
// leases, elections and deadlines; tests in bubbles need a processor each and run one after
// the other, before them.
const parallel = "4"

func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", parallel); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if dir := binaryDir; dir != "" {
			if err := os.RemoveAll(dir); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
		os.Exit(code)
	}))
}

var binaryDir string

// binary builds the program once, with the race detector if the tests have it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stasis-integration-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "stasis")
	args := []string{"build", "-ldflags=-s -w", "-o", path} // to link takes less
	if bubbles.Race {
		args = append(args, "-race")
	}
	if failpoint.Enabled {
		args = append(args, "-tags", "failpoints")
	}
	out, err := exec.Command("go", append(args, "stasis/cmd/stasis")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, nil
})

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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
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
