package minicluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/internal/atonce"
	"stasis/internal/network"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanDir); dir != "" {
		startAndHang(dir) // as the parent that is killed
		return
	}
	atonce.Clusters()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(binaryDir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

var binaryDir string

// binary builds the program once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stasis-minicluster-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "stasis")
	out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "stasis/cmd/stasis").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, nil
})

var modes = map[string]Mode{"inprocess": InProcess, "processes": Processes}

func options(t *testing.T, mode Mode) Options {
	t.Helper()
	o := Options{
		Dir: t.TempDir(), Mode: mode, Agents: 1, DBServers: 2, Coordinators: 1, BasePort: basePort(t),
		Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Warn}),
	}
	if mode == Processes {
		path, err := binary()
		require.NoError(t, err)
		o.Program.Path = path
	}
	return o
}

// servers is how many servers of one role a cluster of these tests has at most.
const servers = 10

var bases struct {
	sync.Mutex
	next int
}

// basePort gives a test ports that no other test of this process is given: a cluster that is stopped for a
// while finds its own free when it comes back. They are below those that clusters choose by themselves,
// and below those of outgoing connections.
func basePort(t *testing.T) int {
	t.Helper()
	const lowest, inBlock = 4000, perRole / servers // the roles of a cluster have a block of ports each
	const all = (firstFreePort - lowest) / (3 * perRole) * inBlock
	bases.Lock()
	defer bases.Unlock()
	if bases.next == 0 {
		bases.next = rand.IntN(all)
	}
	for range all {
		bases.next++
		n := bases.next % all
		if base := lowest + n/inBlock*3*perRole + n%inBlock*servers; areFree(base) {
			return base
		}
	}
	require.Fail(t, "no free ports")
	return 0
}

// areFree reports whether there is a free port for each server that has this base port.
func areFree(base int) bool {
	for role := range 3 {
		for i := range servers {
			listener, err := network.TCP().Listen(localAddress(base + role*perRole + i))
			if err != nil || listener.Close() != nil {
				return false
			}
		}
	}
	return true
}

// start starts a cluster and waits until it is ready; it is stopped at the end.
func start(t *testing.T, o Options) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c, err := Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = c.Stop(context.Background()) // a test that expects something of it stops the cluster before
	})
	require.NoError(t, c.Ready(ctx))
	return c
}
