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
	"stasis/minicluster"
	"stasis/minicluster/load"
)

// taken is a backup and when it was asked for and had returned, on the history's clock.
type taken struct {
	backup.CreateResult
	asked, returned time.Duration
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
		c, history := start(t, o), load.NewHistory()
		backups := backupsUnderLoad(t, c, history, scale(10, 100))
		present := 0
		for _, b := range backups {
			require.False(t, b.PotentiallyInconsistent)
			v, err := restoreAndCheck(t, c, history, b)
			require.NoError(t, err, "%s", b.ID)
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
	history := load.NewHistory()
	o.Seams.Disks = oneSlowDisk(func() { awaitMore(history, 40) })
	c := start(t, o)
	backups := backupsUnderLoad(t, c, history, scale(5, 60))
	violations := 0
	for _, b := range backups {
		require.True(t, b.PotentiallyInconsistent, "a backup without locks says so")
		if _, err := restoreAndCheck(t, c, history, b); err != nil {
			t.Log(err)
			violations++
		}
	}
	t.Logf("%d of %d backups without locks are no single instant", violations, len(backups))
	require.Positive(t, violations)
}

// awaitMore returns when writers have written more, or no longer seem to.
func awaitMore(h *load.History, more int) {
	written := func() (n int) {
		for _, c := range h.Chains() {
			n += len(c.Ops)
		}
		return n
	}
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

var checked = []string{"own", "across"}

// backupsUnderLoad takes n backups while writers write.
func backupsUnderLoad(t *testing.T, c *cluster, history *load.History, n int) []taken {
	ctx := t.Context()
	require.NoError(t, c.db(0).CreateCollection(ctx, "across", 9))
	require.NoError(t, c.db(0).CreateCollection(ctx, "own", 9))
	var writers []load.Writer
	for i := range 6 {
		writers = append(writers,
			paced(load.Inserts(fmt.Sprintf("a%d", i), c.db(i), "across")),
			paced(load.Updates(fmt.Sprintf("o%d", i), c.db(i), "own")))
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- load.Run(writing, history, 30*time.Second, writers...) }()
	var backups []taken
	for i := range n {
		b, err := takeBackup(writing, c.clients[i%len(c.clients)], history, fmt.Sprintf("n%d", i))
		require.NoError(t, err)
		backups = append(backups, b)
	}
	stop()
	require.NoError(t, <-failed)
	return backups
}

// paced keeps the number of documents that every restore must read small.
func paced(w load.Writer) load.Writer {
	w.Pause = time.Millisecond
	return w
}

func takeBackup(ctx context.Context, cl *client.Client, h *load.History, label string) (taken, error) {
	b := taken{asked: h.Now()}
	err := cl.Backup(ctx, "create", map[string]any{"label": label}, &b.CreateResult)
	b.returned = h.Now()
	return b, err
}

func restoreAndCheck(t *testing.T, c *cluster, h *load.History, b taken) (load.Verdict, error) {
	t.Helper()
	ctx := t.Context()
	var res backup.RestoreResult
	require.NoError(t, c.clients[0].Backup(ctx, "restore", map[string]any{"id": b.ID}, &res))
	state, err := load.Read(ctx, c.db(1), checked...)
	require.NoError(t, err)
	return load.Check(h.Chains(), state, b.asked, b.returned)
}
