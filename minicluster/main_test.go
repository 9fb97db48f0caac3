package minicluster

import (
	"context"
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
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanDir); dir != "" {
		startAndHang(dir) // as the parent that is killed
		return
	}
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
	out, err := exec.Command("go", "build", "-o", path, "stasis/cmd/stasis").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, nil
})

var modes = map[string]Mode{"inprocess": InProcess, "processes": Processes}

func options(t *testing.T, mode Mode) Options {
	t.Helper()
	o := Options{
		Dir: t.TempDir(), Mode: mode, Agents: 1, DBServers: 2, Coordinators: 1,
		Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Warn}),
	}
	if mode == Processes {
		path, err := binary()
		require.NoError(t, err)
		o.Program.Path = path
	}
	return o
}

// start starts a cluster and waits until it is ready; it is stopped at the end.
func start(t *testing.T, o Options) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = c.Stop(context.Background()) // a test that expects something of it stops the cluster before
	})
	require.NoError(t, c.Ready(ctx))
	return c
}
