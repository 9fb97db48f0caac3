package agency

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/stretchr/testify/require"

	"stasis/agency/store"
	"stasis/fsm"
)

// TestRestart: the tree, its index, client ids and the agent's own id survive.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s := alone(t, dir)
	id := s.ID()
	for i := 1; i <= 50; i++ {
		require.Equal(t, fmt.Sprintf(`200 {"results":[%d]}`, i), s.post("write", `[[{"x":{"op":"increment"}},{},"last"]]`).String())
	}
	s.end()
	s = alone(t, dir)
	require.Equal(t, id, s.ID())
	require.Equal(t, `200 [{"x":50}]`, s.post("read", `[["x"]]`).String())
	require.Equal(t, `200 {"results":[50],"inquired":true}`, s.post("inquire", `["last"]`).String())
	require.Equal(t, `200 {"results":[51]}`, s.post("write", `[[{"x":{"op":"increment"}}]]`).String())
	for i, e := range decoded(t, s.get("state"))["log"].([]any) {
		entry := e.(map[string]any)
		require.EqualValues(t, i+1, entry["index"])
		require.NotZero(t, entry["term"])
	}
}

// TestRestartFromSnapshot: the log was compacted, and poll no longer reaches back.
func TestRestartFromSnapshot(t *testing.T) {
	dir := t.TempDir()
	small := func(c *Config) { c.Timing.SnapshotThreshold, c.Timing.TrailingLogs, c.Timing.KeepLog = 10, 5, 20 }
	s := alone(t, dir, small)
	for range 100 {
		s.post("write", `[[{"x":{"op":"increment"}}]]`)
	}
	require.NoError(t, s.node.Raft.Snapshot().Error())
	s.post("write", `[[{"x":{"op":"increment"}}]]`)
	s.end()
	shots, err := filepath.Glob(dir + "/snapshots/*/state.bin")
	require.NoError(t, err)
	require.NotEmpty(t, shots)

	s = alone(t, dir, small)
	first, err := s.disk.Log.FirstIndex()
	require.NoError(t, err)
	require.Greater(t, first, uint64(50), "compacted")
	require.Equal(t, `200 [{"x":101}]`, s.post("read", `[["x"]]`).String())
	require.Equal(t, `{"error":false,"code":200,"result":{"commitIndex":101,"firstIndex":0,"readDB":{"x":101}}}`, canonical(t, s.get("poll?index=50")))
	state := decoded(t, s.get("state"))
	require.EqualValues(t, 82, state["current"])
	require.EqualValues(t, 82, state["log"].([]any)[0].(map[string]any)["index"])
	s.end()

	for _, shot := range shots { // a torn snapshot is noticed, not served
		require.NoError(t, os.Truncate(shot, 10))
	}
	_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, Logger: logger(t)})
	require.ErrorContains(t, err, "snapshot")
}

// TestBootstrapTornInTheMiddle: a crash between Raft's two first writes leaves a
// term and no log; the next start finishes the bootstrap.
func TestBootstrapTornInTheMiddle(t *testing.T) {
	stores := newMemory("a")
	d, err := store.Open(store.Config{Dir: memoryDir, FS: stores.FS(), Logger: logger(t)})
	require.NoError(t, err)
	require.NoError(t, d.Stable.SetUint64([]byte("CurrentTerm"), 1))
	require.NoError(t, d.Close())
	s := alone(t, "", inMemory(stores))
	require.Equal(t, `200 {"results":[1]}`, s.post("write", `[[{"x":1}]]`).String())
}

// TestTwentyThousandIncrements in one envelope, in one entry.
func TestTwentyThousandIncrements(t *testing.T) {
	s := alone(t, t.TempDir())
	before := s.node.Raft.LastIndex()
	body := "[" + strings.Repeat(`[{"x":{"op":"increment"}}],`, 19999) + `[{"x":{"op":"increment"}}]]`
	got := s.post("write", body)
	require.Equal(t, 200, got.status)
	results := decoded(t, got)["results"].([]any)
	require.Len(t, results, 20000)
	require.EqualValues(t, 1, results[0])
	require.EqualValues(t, 20000, results[19999])
	require.Equal(t, `200 [{"x":20000}]`, s.post("read", `[["x"]]`).String())
	require.Equal(t, before+1, s.node.Raft.LastIndex())
	// The status counts all of them, also the first.
	got = s.post("write", `[[{"x":1},{"x":{"old":1}}],`+body[1:])
	require.Equal(t, 412, got.status)
}

// TestUndecodableEntryStopsTheNode: skipping it would make replicas differ.
func TestUndecodableEntryStopsTheNode(t *testing.T) {
	s := alone(t, t.TempDir())
	s.post("write", `[[{"x":1}]]`)
	future := s.node.Raft.Apply([]byte("\xffnonsense"), time.Second)
	_ = future.Error() // it may be applied or not be answered any more; what counts is below
	select {
	case err := <-s.Err():
		require.ErrorContains(t, err, "decode committed entry")
	case <-time.After(waitMax):
		require.Fail(t, "still running")
	}
	require.Eventually(t, func() bool { return s.post("read", `[["x"]]`).status == 503 }, waitMax, waitStep)
	require.Equal(t, 503, s.post("write", `[[{"x":2}]]`).status)
	require.Equal(t, 503, s.ask("GET", "/_admin/server/availability", "").status)
	require.False(t, s.IsLeader())
}

var errFull = errors.New("disk full")

// TestDamagedLog: a log in which one entry is not what was written, or is missing,
// is named at the start and never served.
func TestDamagedLog(t *testing.T) {
	command := fsm.Command{Time: 1, Transactions: nil}.Encode()
	damaged := bytes.Clone(command)
	damaged[len(damaged)-1]++
	for name, last := range map[string]*raft.Log{
		"entry 3": {Index: 3, Term: 1, Type: raft.LogCommand, Data: damaged},
		"entry 4": {Index: 5, Term: 1, Type: raft.LogCommand, Data: command},
	} {
		dir := t.TempDir()
		s := alone(t, dir, onBolt)
		s.post("write", `[[{"a":1}]]`)
		s.end()
		bolt, err := raftboltdb.NewBoltStore(filepath.Join(dir, boltFiles.log))
		require.NoError(t, err)
		end, err := bolt.LastIndex()
		require.NoError(t, err)
		last.Index += end - 2 // after what the agent wrote
		require.NoError(t, bolt.StoreLog(last))
		require.NoError(t, bolt.Close())
		_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, Logger: logger(t)})
		require.ErrorContains(t, err, "the log of Raft is damaged: entry", name)
		require.ErrorContains(t, err, "delete its directory")
	}
}
