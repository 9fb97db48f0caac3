package agency

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/recovery"
	"stasis/agency/store"
)

// TestSnapshotRestore: the agency is saved, all three disks are lost, and it goes on from
// the file with two more agents. What was written after the snapshot is gone.
func TestSnapshotRestore(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.ask(leader, "write", `[[{"x":"kept"},{},"id"]]`)
		c.ask(leader, "write", `[[{"y":{"op":"set","new":1,"ttl":5}}]]`)
		c.ask(leader, "write", `[[{"x":{"op":"observe","url":"http://b:1/"}}]]`)
		c.ask(leader, "transient", `[[{"beat":1}]]`)
		require.Equal(t, http.StatusTemporaryRedirect, c.ask(c.others(leader)[0], "snapshot", "").status)
		got, err := c.send(t.Context(), http.MethodGet, "http://"+c.peers["AGNT-"+leader]+"/_api/agency/snapshot", "")
		require.NoError(t, err)
		file := agencyclient.New(agencyclient.Options{Endpoints: []string{"http://" + c.peers["AGNT-"+leader]}, HTTP: c.http})
		saved, head, err := file.Snapshot(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 3, head.Index)
		require.Equal(t, got.header.Get("X-Stasis-Agency"), head.Origin.Text())
		c.ask(leader, "write", `[[{"x":"after the snapshot"}]]`)
		c.wipe("a", "b", "c")

		for i := range saved {
			damaged := append([]byte{}, saved...)
			damaged[i] ^= 1
			_, _, err := agencyclient.ReadSnapshot(damaged)
			require.ErrorIs(t, err, agencyclient.ErrSnapshot, "byte %d", i)
			_, _, err = agencyclient.ReadSnapshot(saved[:i])
			require.ErrorIs(t, err, agencyclient.ErrSnapshot, "%d bytes", i)
		}
		_, err = recovery.Restore(saved[:len(saved)-1], recovery.RestoreOptions{Dir: memoryDir, FS: c.stores["a"].FS()})
		require.ErrorIs(t, err, agencyclient.ErrSnapshot)
		what, err := recovery.Restore(saved, recovery.RestoreOptions{Dir: memoryDir, FS: c.stores["a"].FS(), ID: "AGNT-a", Incarnation: 5})
		require.NoError(t, err)
		require.EqualValues(t, 5, what.After.Incarnation)
		_, err = recovery.Restore(saved, recovery.RestoreOptions{Dir: memoryDir, FS: c.stores["a"].FS()})
		require.ErrorContains(t, err, "is not empty")

		c.start("a")
		require.Equal(t, "a", c.leader())
		c.start("b")
		c.newcomer("n", "n:1", "a")
		c.voters(3)
		time.Sleep(6 * time.Second)
		require.Equal(t, `200 [{"x":"kept"}]`, c.ask("a", "read", `[["/"]]`).String(), "what has a time to live has had it")
		require.Equal(t, fmt.Sprintf(`200 {"results":[%d],"inquired":true}`, 4*recovery.IndexStep-2), c.ask("a", "inquire", `["id"]`).String())
		require.Equal(t, []string{"http://b:1/"}, c.agents["a"].tree.State().Observers()["/x"])
		c.kill("a")
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":"goes on"}]]`).status)
		require.Equal(t, map[string]any{"x": "goes on"}, decoded(t, c.ask(c.leader(), "state", ""))["agency"])
	})
}

// TestRestoreCutShort: a restore that dies after any of its changes leaves a directory that
// does not start.
func TestRestoreCutShort(t *testing.T) {
	s := alone(t, t.TempDir())
	s.post("write", `[[{"x":1}]]`)
	file := agencyclient.New(agencyclient.Options{Endpoints: []string{s.URL()}, HTTP: s.http})
	saved, head, err := file.Snapshot(t.Context())
	require.NoError(t, err)
	_, state, err := agencyclient.ReadSnapshot(saved)
	require.NoError(t, err)
	after, err := recovery.Next(head.Origin, 0)
	require.NoError(t, err)
	for at := 0; ; at++ {
		stores := newMemory("a")
		d, err := store.Open(store.Config{Dir: memoryDir, FS: stores.FS(), Logger: logger(t)})
		require.NoError(t, err)
		cutAfter(d, at)
		err = recovery.RestoreDisk(d, state, recovery.Move{From: head.Origin, To: after})
		require.NoError(t, d.Close())
		if err == nil {
			require.Greater(t, at, 4)
			return
		}
		require.ErrorIs(t, err, errFull)
		if at > 0 {
			_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: memoryDir, FS: stores.FS()})
			require.ErrorContains(t, err, "delete the directory, and restore again")
		}
	}
}

// TestRestoreOnDisk: only into a directory in which nothing is.
func TestRestoreOnDisk(t *testing.T) {
	s := alone(t, t.TempDir())
	s.post("write", `[[{"x":1}]]`)
	file := agencyclient.New(agencyclient.Options{Endpoints: []string{s.URL()}, HTTP: s.http})
	saved, _, err := file.Snapshot(t.Context())
	require.NoError(t, err)
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "mine"), nil, 0o600))
	_, err = recovery.Restore(saved, recovery.RestoreOptions{Dir: full})
	require.ErrorContains(t, err, "is not empty")
	for _, kind := range []string{store.LogBolt, store.LogWAL} {
		dir := filepath.Join(t.TempDir(), "new")
		what, err := recovery.Restore(saved, recovery.RestoreOptions{Dir: dir, LogStore: kind, Logger: logger(t)})
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(what.ID, "AGNT-"))
		_, err = recovery.Restore(saved, recovery.RestoreOptions{Dir: dir})
		require.ErrorContains(t, err, "is not empty")
		restored := alone(t, dir)
		require.Equal(t, what.ID, restored.ID())
		require.Equal(t, `200 [{"x":1}]`, restored.post("read", `[["x"]]`).String())
		require.Equal(t, fmt.Sprintf(`200 {"results":[%d]}`, recovery.IndexStep+1), restored.post("write", `[[{"x":2}]]`).String())
		restored.end()
		restored = alone(t, dir)
		require.Equal(t, `200 [{"x":2}]`, restored.post("read", `[["x"]]`).String())
	}
}
