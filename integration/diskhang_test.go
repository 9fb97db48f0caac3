package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/internal/network"
	"stasis/minicluster"
)

// The directory of a DB server is frozen in the kernel. The process stays up, another
// leads what it led, and after the thaw the replicas become identical; status says which
// disk it is and since when.
func TestFrozenDiskOfADBServer(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	c := start(t, o)
	freeze, thaw := ontoFrozenDisk(t, c, filepath.Join(o.Dir, "dbserver-1"))
	web := network.NewHTTPClient(network.TCP())
	t.Cleanup(web.CloseIdleConnections)
	watch := observe(c.Cluster, web)
	ctx := t.Context()
	require.NoError(t, createReplicated(ctx, c.clients[0], "books", 6, 2, 1))
	eventually(t, time.Minute, func() error { return watch.settled(ctx) })
	victim := ""
	for id, name := range watch.names {
		if name == "dbserver-1" {
			victim = id
		}
	}
	leads := func() (n int, err error) {
		all, _, err := watch.shards(ctx)
		for _, r := range all {
			if r.plan[0] == victim {
				n++
			}
		}
		return n, err
	}
	n, err := leads()
	require.NoError(t, err)
	require.Positive(t, n)
	put := func(key string) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return c.db(0).Put(ctx, "books", map[string]any{"_key": key})
	}
	for i := range 50 {
		require.NoError(t, put(fmt.Sprint("before", i)))
	}

	freeze()
	begun := time.Now()
	eventually(t, 3*time.Minute, func() error {
		n, err := leads()
		if err == nil && n > 0 {
			err = fmt.Errorf("%s still leads %d shards", victim, n)
		}
		return err
	})
	t.Logf("its leads were others' after %v", time.Since(begun))
	eventually(t, time.Minute, func() error { return watch.served(ctx) })
	for i := range 50 {
		eventually(t, time.Minute, func() error { return put(fmt.Sprint("during", i)) })
	}
	var status client.Status
	require.NoError(t, c.clients[1].Do(ctx, "GET", client.PathStatus, nil, &status))
	require.Equal(t, "FAILED", status.DBServers[victim].Status)
	require.True(t, strings.HasPrefix(status.DBServers[victim].Disk, "hangs since "), "%+v", status)

	thaw()
	eventually(t, 3*time.Minute, func() error { return watch.healed(ctx) })
	count, err := c.db(1).Count(ctx, "books")
	require.NoError(t, err)
	require.Equal(t, int64(100), count)
}

// ontoFrozenDisk moves a DB server's directory to a file system of its own.
func ontoFrozenDisk(t *testing.T, c *cluster, dir string) (freeze, thaw func()) {
	t.Helper()
	name, aside := filepath.Base(dir), dir+".moved"
	require.NoError(t, c.Kill(name))
	require.NoError(t, os.Rename(dir, aside))
	freeze, thaw = frozenDisk(t, dir)
	t.Cleanup(func() { // before it is unmounted
		thaw()
		c.stop(t)
	})
	require.NoError(t, os.CopyFS(dir, os.DirFS(aside)))
	require.NoError(t, os.RemoveAll(aside))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, c.Restart(ctx, name))
	return freeze, thaw
}
