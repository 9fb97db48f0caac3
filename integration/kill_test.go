package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/coordinator/backup"
	"stasis/lab/workload"
	"stasis/minicluster"
)

// SIGKILL of every process at a random moment of a create: after the restart
// nothing is half done, every listed backup is whole, and one whose create was
// answered is listed.
func TestKillEverythingDuringCreate(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	c := start(t, o)
	ctx := t.Context()
	require.NoError(t, c.db(0).CreateCollection(ctx, "people", 6))
	fillPeople(t, c, 2000)
	mustCreate(t, c, "cold")
	usual := timed(t, func() { mustCreate(t, c, "warm") })
	for round := range scale(3, 25) {
		var res backup.CreateResult
		answered := killAmidst(t, c, usual, func() error {
			return c.clients[0].Backup(ctx, "create", map[string]any{"label": fmt.Sprintf("k%d", round)}, &res)
		})
		c = again(t, c, o)
		nothingHalfDone(t, c.clients[0], o.Dir)
		list := listBackups(t, c.clients[0])
		for id, b := range list {
			require.True(t, b.Available, "%s: %d of %d pieces", id, b.NrPiecesPresent, b.NrDBServers)
		}
		if answered == nil {
			require.Contains(t, list, res.ID)
		}
	}
	// What is listed can be trusted: the newest one restores.
	restoreNewest(t, c)
	requirePrivate(t, o.Dir)
}

// requirePrivate demands that only the user may read what processes have made below dir.
func requirePrivate(t *testing.T, dir string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		if path == dir || slices.Contains([]string{"cluster.lock", "STASIS", "STASIS.lock"}, e.Name()) {
			return nil // made by this process, which has its own umask
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is %v", path, info.Mode())
		files++
		return nil
	}))
	require.Greater(t, files, 50)
}

// SIGKILL of every process at a random moment of a restore: after the restart
// there is the state before or the state of the backup, whole.
func TestKillEverythingDuringRestore(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	c := start(t, o)
	ctx := t.Context()
	require.NoError(t, c.db(0).CreateCollection(ctx, "people", 6))
	fillPeople(t, c, 1000)
	base := mustCreate(t, c, "base")
	restored := sumOf(t, c)
	usual := timed(t, func() {
		var res backup.RestoreResult
		require.NoError(t, c.clients[0].Backup(ctx, "restore", map[string]any{"id": base.ID}, &res))
	})
	outcomes := map[string]int{}
	for round := range scale(3, 25) {
		for i := range 20 {
			require.NoError(t, c.db(i).Put(ctx, "people", map[string]any{"_key": fmt.Sprintf("r%d-%d", round, i)}))
		}
		before := sumOf(t, c)
		answered := killAmidst(t, c, usual, func() error {
			var res backup.RestoreResult
			return c.clients[1].Backup(ctx, "restore", map[string]any{"id": base.ID}, &res)
		})
		c = again(t, c, o)
		nothingHalfDone(t, c.clients[0], o.Dir)
		after := sumOf(t, c)
		require.Contains(t, []string{before, restored}, after)
		if answered == nil {
			require.Equal(t, restored, after)
		}
		outcomes[map[bool]string{true: "the state of the backup", false: "the state before"}[after == restored]]++
		require.Contains(t, listBackups(t, c.clients[0]), base.ID)
	}
	t.Log(outcomes)
}

// killAmidst runs call and kills every process at a random moment of it, or
// shortly after it; usual is how long the call takes undisturbed.
func killAmidst(t *testing.T, c *cluster, usual time.Duration, call func() error) error {
	t.Helper()
	answer := make(chan error, 1)
	go func() { answer <- call() }()
	moment := time.NewTimer(time.Duration(rand.Int64N(int64(usual + usual/8))))
	<-moment.C
	c.KillAll()
	err := <-answer
	t.Logf("killed; the call said: %v", err)
	return err
}

// again starts the killed cluster on its directory.
func again(t *testing.T, c *cluster, o minicluster.Options) *cluster {
	t.Helper()
	c.stop(t)
	return start(t, o)
}

// nothingHalfDone demands that within the lease of a dead holder every trace of
// what did not finish is gone.
func nothingHalfDone(t *testing.T, cl *client.Client, dir string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		if err := cl.Do(t.Context(), "GET", "/_admin/server/availability", nil, nil); err != nil {
			return err
		}
		if s := status(t, cl); s.Lock != nil {
			return fmt.Errorf("the agency lock is still held: %+v", *s.Lock)
		}
		var left []string
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			name := filepath.Base(path)
			if strings.HasSuffix(name, ".pending") || strings.HasPrefix(name, "engine.restore-") {
				left = append(left, path)
			}
			return err
		})
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return fmt.Errorf("left behind: %v", left)
		}
		return nil
	})
}

func timed(t *testing.T, f func()) time.Duration {
	t.Helper()
	begin := time.Now()
	f()
	return time.Since(begin)
}

func mustCreate(t testing.TB, c *cluster, label string) backup.CreateResult {
	t.Helper()
	var res backup.CreateResult
	require.NoError(t, c.clients[0].Backup(t.Context(), "create", map[string]any{"label": label}, &res))
	return res
}

func listBackups(t testing.TB, cl *client.Client) map[string]backup.Entry {
	t.Helper()
	var res backup.ListResult
	require.NoError(t, cl.Backup(t.Context(), "list", nil, &res))
	return res.List
}

func sumOf(t *testing.T, c *cluster) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, sum, err := workload.Sum(ctx, c.db(0), "people")
	require.NoError(t, err)
	return fmt.Sprintf("%d documents, %s", n, sum)
}

func restoreNewest(t *testing.T, c *cluster) {
	t.Helper()
	newest := ""
	for id := range listBackups(t, c.clients[0]) {
		newest = max(newest, id)
	}
	want := sumOf(t, c)
	require.NoError(t, c.db(0).Truncate(t.Context(), "people"))
	var res backup.RestoreResult
	require.NoError(t, c.clients[0].Backup(t.Context(), "restore", map[string]any{"id": newest}, &res))
	require.Equal(t, want, sumOf(t, c))
}

// fillPeople imports n people.
func fillPeople(t testing.TB, c *cluster, n int) {
	t.Helper()
	var lines bytes.Buffer
	for _, d := range people(t, n) {
		require.NoError(t, json.NewEncoder(&lines).Encode(d))
	}
	res, err := c.db(0).Import(t.Context(), "people", "error", &lines)
	require.NoError(t, err)
	require.EqualValues(t, n, res.Created)
}
