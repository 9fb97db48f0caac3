package agency

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestInstalledSnapshotThenRestart: an agent that was sent a snapshot keeps nothing
// of its log from before, and starts again from what it has on disk, also when it
// ended before the log was dropped.
func TestInstalledSnapshotThenRestart(t *testing.T) {
	for _, l := range diskLayouts {
		t.Run(l.log, func(t *testing.T) { testInstalledSnapshotThenRestart(t, l) })
	}
}

func testInstalledSnapshotThenRestart(t *testing.T, l diskLayout) {
	dir := t.TempDir()
	inBubble(t, 3, Timing{SnapshotThreshold: 20, SnapshotInterval: time.Second, TrailingLogs: 10}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		straggler := c.others(leader)[0]
		c.kill(straggler)
		makeLayout(t, dir, "AGNT-"+straggler, l)
		c.dirs = map[string]string{straggler: dir} // it begins again, on disk
		c.start(straggler)
		write := func(n int) {
			for range n {
				c.ask(leader, "write", `[[{"x":{"op":"increment"}}]]`)
			}
			time.Sleep(5 * time.Second)
		}
		write(5)
		c.kill(straggler)
		log, saved := filepath.Join(dir, l.log), t.TempDir()
		copyAll(t, log, filepath.Join(saved, "log"))
		write(100)
		c.start(straggler)
		write(5)
		first, err := c.agents[straggler].disk.Log.FirstIndex()
		require.NoError(t, err)
		require.Greater(t, first, uint64(50), "entries that the snapshot has replaced")

		restart := func() {
			c.start(straggler)
			write(5)
			require.Equal(t, decoded(t, c.ask(leader, "state", ""))["agency"], decoded(t, c.ask(straggler, "state", ""))["agency"])
			c.kill(straggler)
		}
		c.kill(straggler)
		restart()
		restart()
		require.NoError(t, os.RemoveAll(log))
		copyAll(t, filepath.Join(saved, "log"), log)
		restart()
		restart()
	})
}

// copyAll copies a file or a directory of files.
func copyAll(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	require.NoError(t, err)
	if info.IsDir() {
		require.NoError(t, os.CopyFS(to, os.DirFS(from)))
		return
	}
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
}
