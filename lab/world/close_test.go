package world

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/bubbles"
)

// goroutines counts those of bubbles.
func goroutines() int {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "synctest bubble")
}

// Close leaves nothing of a cluster that is broken in every way, and in which an operation is held.
func TestCloseLeavesNothing(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		before := goroutines()
		w, err := Start(t.Context(), Bubble, Config{
			Agents: 3, DBServers: 3, Coordinators: 2, LatencyLeast: 100 * time.Microsecond, LatencyMost: time.Millisecond, Buggify: 0.01, ClockSkew: time.Hour, Seed: 1,
		})
		require.NoError(t, err)
		require.Greater(t, goroutines(), before+50)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, w.Clients()[0].Database("").EnsureCollection(ctx, "c", layout))
		held, err := w.Hold(fault.Moment{Step: event.CutDone})
		require.NoError(t, err)
		answer := make(chan error, 1)
		go func() {
			_, err := w.Clients()[0].Backups().Create(ctx, client.CreateRequest{Label: "x"})
			answer <- err
		}()
		<-held.Reached()
		require.NoError(t, w.Network().Cut("coordinator-1", "dbserver-1"))
		_, err = w.Network().Message(fault.Message{To: "dbserver-2", Do: fault.LoseAnswer})
		require.NoError(t, err)
		for _, server := range []string{"agent-1", "dbserver-2"} {
			disk, err := w.Disk(server)
			require.NoError(t, err)
			_, err = disk.Hang(fault.Calls{})
			require.NoError(t, err)
		}
		require.NoError(t, w.Pause("dbserver-3"))
		require.NoError(t, w.Kill("agent-3"))
		time.Sleep(time.Second)
		require.NoError(t, w.Close(context.Background()))
		cancel()
		require.Error(t, <-answer)
		synctest.Wait()
		require.Equal(t, before, goroutines(), "what runs of the world after its Close")
	})
}

// files is what the files of a server are, by path.
func files(t *testing.T, disk vfs.FS, dir string, into map[string]string) {
	names, err := disk.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		at := disk.PathJoin(dir, name)
		info, err := disk.Stat(at)
		require.NoError(t, err)
		if info.IsDir() {
			files(t, disk, at, into)
			continue
		}
		f, err := disk.Open(at)
		require.NoError(t, err)
		raw, err := io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		into[at] = string(raw)
	}
}

// A power cut loses what was not synced, of agents as well; and the server comes back with the others.
func TestCrashLosesWhatWasNotSynced(t *testing.T) {
	inBubble(t, func(t *testing.T, w World) {
		ctx := t.Context()
		db := w.Clients()[0].Database("")
		require.NoError(t, db.EnsureCollection(ctx, "c", layout))
		for _, server := range []string{"agent-1", "dbserver-1"} {
			disk, err := w.Disk(server)
			require.NoError(t, err)
			hang, err := disk.Hang(fault.Calls{Kinds: fault.Sync})
			require.NoError(t, err)
			for i := range 4 {
				short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
				_ = db.Put(short, "c", map[string]any{"_key": fmt.Sprint(server, i)}) // those on the disk that hangs wait
				_ = db.EnsureCollection(short, fmt.Sprint("c-", server, i), layout)
				cancel()
			}
			require.Positive(t, hang.Met(), server)
			there := map[string]string{}
			files(t, w.(*local).disks.FS(server), dataDir("", server), there)
			require.NoError(t, w.Crash(server, 0))
			left := map[string]string{}
			files(t, w.(*local).disks.FS(server), dataDir("", server), left)
			lost := 0
			for at, content := range there {
				if left[at] != content {
					lost++
				}
			}
			require.Positive(t, lost, "files of %s that have lost what was not synced", server)
			require.NoError(t, w.Restart(ctx, server))
		}
		require.Eventually(t, func() bool {
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return db.Put(short, "c", map[string]any{"_key": "last"}) == nil
		}, time.Minute, time.Second)
	})
}
