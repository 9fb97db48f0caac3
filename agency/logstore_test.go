package agency

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/store"
	"stasis/internal/bubbles"
)

func onWAL(c *Config)  { c.LogStore = store.LogWAL }
func onBolt(c *Config) { c.LogStore = store.LogBolt }

// TestWALRestarts: an agent on the write-ahead log has everything after a restart,
// also when the log was compacted, and keeps to the log that its directory has.
func TestWALRestarts(t *testing.T) {
	dir := t.TempDir()
	small := func(c *Config) { c.Timing.SnapshotThreshold, c.Timing.TrailingLogs = 10, 5 }
	s := alone(t, dir, onWAL, small)
	id := s.ID()
	for i := 1; i <= 50; i++ {
		require.Equal(t, fmt.Sprintf(`200 {"results":[%d]}`, i), s.post("write", `[[{"x":{"op":"increment"}},{},"last"]]`).String())
	}
	require.NoError(t, s.node.Raft.Snapshot().Error())
	require.Equal(t, `200 {"results":[51]}`, s.post("write", `[[{"y":1}]]`).String())
	s.end()

	s = alone(t, dir, small) // the directory knows
	require.Equal(t, id, s.ID())
	first, err := s.disk.Log.FirstIndex()
	require.NoError(t, err)
	require.Greater(t, first, uint64(40), "compacted")
	require.Equal(t, `200 [{"x":50,"y":1}]`, s.post("read", `[["/"]]`).String())
	require.Equal(t, `200 {"results":[50],"inquired":true}`, s.post("inquire", `["last"]`).String())
	s.end()
	_, err = os.Stat(filepath.Join(dir, boltFiles.log))
	require.ErrorIs(t, err, os.ErrNotExist)

	_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, LogStore: store.LogBolt})
	require.ErrorContains(t, err, "has Raft's log as wal, not as bolt")
	_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, LogStore: "paper"})
	require.ErrorContains(t, err, `log store "paper": there are bolt and wal`)
}

// TestWALBoundsBodies: the segments hold no entry above 64 MiB, and would not say so.
func TestWALBoundsBodies(t *testing.T) {
	dir := t.TempDir()
	s := alone(t, dir, onWAL)
	const beyond = 17 << 20 // one segment
	const before, after = `[[{"/arango/Plan/x":"`, `"},{"/arango/Target/HotBackup/Holder/nonce":"n"}]]`
	const frame = len(before + after)
	large := func(n int) string { return before + strings.Repeat("y", n) + after } // as a restore's Plan
	require.Equal(t, 200, s.post("write", `[[{"/arango/Target/HotBackup":{"Create":"t","Holder":{"nonce":"n"}}}]]`).status)
	require.Equal(t, 413, s.post("write", large(int(s.disk.MaxBody))).status)
	sizes := []int{beyond}
	if !bubbles.Race { // the race detector makes that ten times as long; agency/store tests the largest entry with it
		sizes = append(sizes, int(s.disk.MaxBody)-frame)
	}
	for _, n := range sizes {
		require.Equal(t, 200, s.post("write", large(n)).status)
		s.end()
		s = alone(t, dir) // it has read the whole log
		require.Len(t, s.post("read", `[["/arango/Plan/x"]]`).body, n+len(`[{"arango":{"Plan":{"x":""}}}]`))
		require.Equal(t, 200, s.post("write", large(1)).status)
	}
}

// TestWALDamaged: an entry that is not what was written is named, and never served.
func TestWALDamaged(t *testing.T) {
	dir := t.TempDir()
	s := alone(t, dir, onWAL)
	for i := range 5 {
		s.post("write", fmt.Sprintf(`[[{"x":"value %d"}]]`, i))
	}
	s.end()
	segments, err := filepath.Glob(filepath.Join(dir, walFiles.log, "*.wal"))
	require.NoError(t, err)
	require.Len(t, segments, 1)
	data, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	at := strings.Index(string(data), "value 2")
	require.Positive(t, at)
	data[at]++
	require.NoError(t, os.WriteFile(segments[0], data, 0o600))
	_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, Logger: logger(t)})
	require.Error(t, err)
	t.Log(err)
}
