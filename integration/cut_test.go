package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/coordinator/backup"
	"stasis/fault"
	"stasis/lab/history"
	"stasis/lab/workload"
	"stasis/minicluster"
)

// taken is a backup and when it was asked for and had returned, on the history's clock.
type taken struct {
	backup.CreateResult
	cut workload.Cut
}

// Every backup taken under load restores to one instant between its call and its
// return: n+1 is never there without n, on one shard or across shards, of one
// writer or of several.
func TestBackupsUnderLoadAreOneInstant(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, o minicluster.Options) {
		if o.Mode == minicluster.InProcess {
			o.Seams.Disks = oneSlowDisk(func() { <-time.After(5 * time.Millisecond) })
		}
		c, chains := start(t, o), chainsFor(t)
		backups := backupsUnderLoad(t, c, chains, scale(10, 100))
		present := 0
		for _, b := range backups {
			require.False(t, b.PotentiallyInconsistent)
			v := restoreAndCheck(t, c, chains, b)
			require.Empty(t, v.Problems, "%s", b.ID)
			require.GreaterOrEqual(t, v.Present, present, "a later backup holds at least what an earlier one does")
			present = v.Present
		}
		require.Positive(t, present)
	})
}

// The check is worth something: with the locks switched off the same test finds
// backups that are no single instant. One server cuts only when writers, whom nothing
// stops, have gone on.
func TestWithoutLocksTheCheckFindsViolations(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.InProcess)
	o.Seams.WithoutLocks = true
	chains := chainsFor(t)
	o.Seams.Disks = oneSlowDisk(func() { awaitMore(chains.h, 40) })
	c := start(t, o)
	backups := backupsUnderLoad(t, c, chains, scale(5, 60))
	violations := 0
	for _, b := range backups {
		require.True(t, b.PotentiallyInconsistent, "a backup without locks says so")
		if v := restoreAndCheck(t, c, chains, b); len(v.Problems) > 0 {
			t.Log(v.Problems[0])
			violations++
		}
	}
	t.Logf("%d of %d backups without locks are no single instant", violations, len(backups))
	require.Positive(t, violations)
}

// awaitMore returns when writers have written more, or no longer seem to.
func awaitMore(h *history.History, more int) {
	written := func() int { return h.Tally().Begun }
	last, goal := written(), written()+more
	for last < goal {
		<-time.After(50 * time.Millisecond)
		now := written()
		if now == last {
			return
		}
		last = now
	}
}

// oneSlowDisk makes one DB server slow to look into its folder for backups, so
// that its cut comes later than the others'.
func oneSlowDisk(wait func()) func(server string) vfs.FS {
	disks := fault.WrapDisks(vfs.Default)
	disks.Of("dbserver-2").Do(fault.Calls{
		Kinds: fault.Open | fault.Stat, Path: func(path string) bool { return strings.Contains(path, ".pending") },
	}, func(string) { wait() })
	return disks.FS
}

// chains is the workload that is checked, and what was recorded of it.
type chains struct {
	workload.Workload
	h *history.History
}

// chainsFor makes chains across all shards, and on one each. The pause keeps the number of documents that every
// restore must read small.
func chainsFor(t testing.TB) chains {
	h := history.New()
	w, err := workload.New(workload.Spec{Name: "chain", Clients: 12, Shards: 9, Replication: 1, Pace: time.Millisecond}, h)
	require.NoError(t, err)
	return chains{w, h}
}

// backupsUnderLoad takes n backups while writers write.
func backupsUnderLoad(t *testing.T, c *cluster, w chains, n int) []taken {
	ctx := t.Context()
	require.NoError(t, w.Setup(ctx, c.clients))
	writing, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- w.Run(writing, c.clients, 30*time.Second) }()
	var backups []taken
	for i := range n {
		b, err := takeBackup(writing, c.clients[i%len(c.clients)], w.h, fmt.Sprintf("n%d", i))
		require.NoError(t, err)
		backups = append(backups, b)
	}
	stop()
	require.NoError(t, <-failed)
	return backups
}

func takeBackup(ctx context.Context, cl *client.Client, h *history.History, label string) (b taken, err error) {
	b.cut.Asked = h.Now()
	err = cl.Backup(ctx, "create", map[string]any{"label": label}, &b.CreateResult)
	b.cut.Returned = h.Now()
	return b, err
}

func restoreAndCheck(t *testing.T, c *cluster, w chains, b taken) workload.Findings {
	t.Helper()
	ctx := t.Context()
	var res backup.RestoreResult
	require.NoError(t, c.clients[0].Backup(ctx, "restore", map[string]any{"id": b.ID}, &res))
	found, err := w.CheckCut(ctx, c.clients[1%len(c.clients)], b.cut)
	require.NoError(t, err)
	return found
}
