package agency

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/proposer"
	"stasis/fsm"
	"stasis/internal/budget"
)

// TestNoWaitIsBounded: who does not wait for outcomes does not fill the queue.
func TestNoWaitIsBounded(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for _, name := range c.others(leader) {
			c.net.Cut(name, leader)
			c.net.Cut(leader, name)
		}
		status := map[int]int{}
		for range 12 {
			r := c.ask(leader, "write", `[[{"/a":`+value(1<<20)+`}]]`, "X-ArangoDB-Agency-Mode", "noWait")
			status[r.status]++
		}
		require.NotZero(t, status[503], status)
		require.LessOrEqual(t, c.agents[leader].proposer.Waiting(), 2*proposer.MostWaiting)
	})
}

// TestSnapshotsByBytes: Raft's log is replaced by a snapshot long before there are many
// entries, and does not keep more bytes than it may, on leader and followers.
func TestSnapshotsByBytes(t *testing.T) {
	inBubble(t, 3, Timing{SnapshotBytes: 512 << 10, TrailingBytes: 256 << 10}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for range 40 {
			require.Equal(t, 200, c.ask(leader, "write", `[[{"/a":`+value(62<<10)+`}]]`).status)
		}
		time.Sleep(time.Minute)
		for name, a := range c.agents {
			shots, err := a.disk.Snapshots.List()
			require.NoError(t, err)
			require.NotEmpty(t, shots, "%s: the log grows without a snapshot", name)
			first, err := a.disk.Log.FirstIndex()
			require.NoError(t, err)
			require.Greater(t, first, uint64(20), name)
			require.EqualValues(t, a.timing.TrailingLogs, 8192)
		}
	})
}

// TestWriteAllIsDivided: many transactions are sent in several requests, in order.
func TestWriteAllIsDivided(t *testing.T) {
	s := alone(t, t.TempDir(), func(c *Config) { c.HTTP.Budget = budget.New(1 << 30) })
	c := agencyclient.New(agencyclient.Options{Endpoints: []string{s.URL()}, HTTP: s.http, Logger: logger(t)})
	var txs []agencyclient.Tx
	for i := range 12 {
		txs = append(txs, agencyclient.Tx{Ops: map[string]any{fmt.Sprint("/", i): strings.Repeat("x", 1<<20)}})
	}
	results, err := c.WriteAll(t.Context(), txs...)
	require.NoError(t, err)
	require.Len(t, results, 12)
	for i, index := range results {
		require.EqualValues(t, i+1, index)
	}
	_, err = c.Write(t.Context(), agencyclient.Tx{Ops: map[string]any{"/x": strings.Repeat("x", 3<<20)}})
	require.ErrorIs(t, err, agencyclient.ErrRejected)
	require.ErrorContains(t, err, "are allowed")
}

// newestEntry is what the newest entry of an agent's log carries.
func newestEntry(t testing.TB, s *single) []byte {
	t.Helper()
	var entry raft.Log
	require.NoError(t, s.disk.Log.GetLog(s.node.Raft.LastIndex(), &entry))
	return entry.Data
}

// parsed is one transaction.
func parsed(t testing.TB, raw string) []fsm.Transaction {
	t.Helper()
	tx, err := fsm.ParseTransaction([]byte(raw))
	require.NoError(t, err)
	return []fsm.Transaction{tx}
}

// TestLargePlanCostsNoLeadership: the largest entry there can be is replicated over a slow network
// while the leader leads on and serves others, also small writes that come after. What matters is how
// long it is on its way. Without STASIS_SOAK=1 an eighth of it is, on a network that is as much slower.
func TestLargePlanCostsNoLeadership(t *testing.T) {
	part := int64(8)
	if os.Getenv("STASIS_SOAK") != "" {
		part = 1
	}
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		require.Equal(t, 200, c.ask(leader, "write", lockHeld).status)
		term := c.agents[leader].node.Raft.CurrentTerm()
		for _, name := range c.others(leader) {
			c.net.Throttle(leader, name, 3<<20/part)
		}
		done := make(chan reply, 1)
		go func() {
			r, err := c.try(context.Background(), leader, "write", plan(int(60<<20/part), "secret"))
			if err != nil {
				r.body = err.Error()
			}
			done <- r
		}()
		time.Sleep(time.Second)
		for range 30 {
			require.Equal(t, 200, c.ask(leader, "read", `[["/x"]]`).status, "reads are confirmed beside it")
			time.Sleep(time.Second)
		}
		require.Equal(t, 408, (<-done).status, "it takes longer than a write waits")
		require.Equal(t, 200, c.ask(leader, "write", `[[{"/x":1}]]`).status)
		time.Sleep(5 * time.Second)
		for name, a := range c.agents {
			require.Greater(t, a.tree.State().Weight(), 60<<20/part, "%s: the entry does not arrive", name)
			require.Equal(t, term, a.node.Raft.CurrentTerm(), "the leadership was lost")
		}
	})
}
