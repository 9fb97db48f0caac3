package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/bubbles"
)

// inBubble runs a test in a world of memory, with latency.
func inBubble(t *testing.T, test func(t *testing.T, w World)) {
	bubbles.Test(t, func(t *testing.T) {
		w, err := Start(t.Context(), Bubble, Config{
			Agents: 3, DBServers: 3, Coordinators: 2, LatencyLeast: 100 * time.Microsecond, LatencyMost: time.Millisecond, Seed: 1, Log: t.Output(),
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, w.Close(context.Background())) }()
		test(t, w)
	})
}

// layout is of the tests' collection.
var layout = client.Layout{Shards: 6, ReplicationFactor: 2}

// A backup can be taken, watched and found on the disks, and leaves nothing.
func TestBackupInABubble(t *testing.T) {
	inBubble(t, func(t *testing.T, w World) {
		ctx := t.Context()
		var steps []event.Event
		var mu sync.Mutex
		stop := w.Watch(func(e event.Event) {
			mu.Lock()
			defer mu.Unlock()
			steps = append(steps, e)
		})
		require.NoError(t, w.Clients()[0].Database("").EnsureCollection(ctx, "c", layout))
		id, err := IDOf(w, "dbserver-2")
		require.NoError(t, err)
		require.Equal(t, "dbserver-2", NameOf(w, id))
		held, err := w.Hold(fault.Moment{Step: event.CutDone, Server: id})
		require.NoError(t, err)
		answer := make(chan error, 1)
		var made client.CreateResult
		go func() {
			var err error
			made, err = w.Clients()[1].Backups().Create(ctx, client.CreateRequest{Label: "x"})
			answer <- err
		}()
		<-held.Reached()
		found, err := w.Left(ctx)
		require.NoError(t, err)
		require.Contains(t, found[0], "a pending piece", "what is left of an operation that goes on is seen")
		held.End()
		require.NoError(t, <-answer)
		pieces, err := w.Pieces(made.ID)
		require.NoError(t, err)
		require.Len(t, pieces, 3)
		mu.Lock()
		require.NotEmpty(t, steps)
		mu.Unlock()
		stop()
		require.Eventually(t, func() bool { left, err := w.Left(ctx); return err == nil && len(left) == 0 }, 20*time.Second, time.Second)
	})
}

// What was not synced is lost by a power cut, and the server comes back.
func TestPowerCutAndKill(t *testing.T) {
	inBubble(t, func(t *testing.T, w World) {
		ctx := t.Context()
		db := w.Clients()[0].Database("")
		require.NoError(t, db.EnsureCollection(ctx, "c", layout))
		require.NoError(t, db.Put(ctx, "c", map[string]any{"_key": "1"}))
		disk, err := w.Disk("dbserver-1")
		require.NoError(t, err)
		hang, err := disk.Hang(fault.Calls{})
		require.NoError(t, err)
		for i := range 6 {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			_ = db.Put(short, "c", map[string]any{"_key": fmt.Sprint("k", i), "x": 1}) // those on dbserver-1 wait
			cancel()
		}
		require.NoError(t, w.Crash("dbserver-1", 50))
		require.Positive(t, hang.Met())
		require.NoError(t, w.Pause("dbserver-2"))
		require.NoError(t, w.Kill("dbserver-2"))
		require.NoError(t, w.Kill("agent-1"))
		for _, server := range []string{"agent-1", "dbserver-1", "dbserver-2"} {
			require.NoError(t, w.Restart(ctx, server), server)
		}
		require.Error(t, w.Kill("dbserver-9"))
		require.Error(t, w.Crash("dbserver-9", 0))
	})
}

// Healing takes back faults and keeps the latency.
func TestLatencyStays(t *testing.T) {
	inBubble(t, func(t *testing.T, w World) {
		require.NoError(t, w.Network().Delay("client", "coordinator-1", time.Second))
		took := func() time.Duration {
			begun := time.Now()
			require.NoError(t, w.Clients()[0].Available(t.Context()))
			return time.Since(begun)
		}
		require.GreaterOrEqual(t, took(), time.Second)
		require.NoError(t, w.HealAll())
		require.Less(t, took(), 100*time.Millisecond)
		require.Positive(t, took())
	})
}

// Every feature that a world does not have has a reason, and what needs it says it.
func TestWhatAWorldCannotDo(t *testing.T) {
	for _, kind := range []Kind{Bubble, InProcess, Processes} {
		require.Len(t, Features(kind), len(allFeatures))
		for f := range cannot[kind] {
			require.Contains(t, allFeatures, f)
		}
	}
	var unsupported *Unsupported
	err := Can(Processes, PowerCut)
	require.ErrorAs(t, err, &unsupported)
	require.Equal(t, Processes, unsupported.World)
	require.NotEmpty(t, unsupported.Why)
	require.NoError(t, Can(Bubble, PowerCut))
	_, err = Start(t.Context(), Processes, Config{Dir: t.TempDir(), Agents: 1})
	require.ErrorContains(t, err, "needs the program")
	for _, c := range []Config{{Dir: "x"}, {LatencyLeast: 2, LatencyMost: 1}, {Buggify: 2}, {ClockSkew: -1}} {
		_, err := Start(t.Context(), Bubble, c)
		require.Error(t, err)
		require.False(t, errors.As(err, &unsupported))
	}
	_, err = Start(t.Context(), "moon", Config{})
	require.Error(t, err)
}

// On real disks, in real time, the same works.
func TestBackupInProcess(t *testing.T) {
	w, err := Start(t.Context(), InProcess, Config{Agents: 1, DBServers: 2, Coordinators: 1, Seed: 1, Dir: t.TempDir(), Log: os.Stderr})
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close(context.Background())) }()
	require.NoError(t, w.Clients()[0].Database("").EnsureCollection(t.Context(), "c", layout))
	made, err := w.Clients()[0].Backups().Create(t.Context(), client.CreateRequest{Label: "x"})
	require.NoError(t, err)
	pieces, err := w.Pieces(made.ID)
	require.NoError(t, err)
	require.Len(t, pieces, 2)
	var unsupported *Unsupported
	require.ErrorAs(t, w.Crash("dbserver-1", 0), &unsupported)
}

// A server that is paused tells no step, also not from within one at which it was held, and does not change its disk. Then it goes on.
func TestPause(t *testing.T) {
	inBubble(t, func(t *testing.T, w World) {
		ctx := t.Context()
		require.NoError(t, w.Clients()[0].Database("").EnsureCollection(ctx, "c", layout))
		id, err := IDOf(w, "dbserver-1")
		require.NoError(t, err)
		held, err := w.Hold(fault.Moment{Step: event.CutDone, Server: id})
		require.NoError(t, err)
		answer := make(chan error, 1)
		go func() {
			_, err := w.Clients()[0].Backups().Create(ctx, client.CreateRequest{Label: "x"})
			answer <- err
		}()
		<-held.Reached()
		var mu sync.Mutex
		told := map[string]int{}
		defer w.Watch(func(e event.Event) {
			mu.Lock()
			defer mu.Unlock()
			told[NameOf(w, e.Emitter)]++
		})()
		count := func(server string) int {
			mu.Lock()
			defer mu.Unlock()
			return told[server]
		}
		disk := w.(*local).disks.FS("dbserver-1")
		require.NoError(t, w.Pause("dbserver-1"))
		require.NoError(t, w.Pause("dbserver-1"), "again")
		before := map[string]string{}
		files(t, disk, dataDir("", "dbserver-1"), before)
		held.End()
		for i := range 4 {
			short, cancel := context.WithTimeout(ctx, time.Second)
			_ = w.Clients()[1].Database("").Put(short, "c", map[string]any{"_key": fmt.Sprint(i)}) // those on dbserver-1 wait
			cancel()
		}
		after := map[string]string{}
		files(t, disk, dataDir("", "dbserver-1"), after)
		require.Equal(t, before, after)
		require.Zero(t, count("dbserver-1"))
		require.Positive(t, count("coordinator-1")+count("agent-1")+count("agent-2")+count("agent-3"))
		require.NoError(t, w.Resume("dbserver-1"))
		<-answer // a pause may have been too long for it
		require.Eventually(t, func() bool {
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := w.Clients()[0].Backups().Create(short, client.CreateRequest{Label: "y"})
			return err == nil && count("dbserver-1") > 0
		}, time.Minute, time.Second)
	})
}
