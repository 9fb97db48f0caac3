package agency

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
)

// brokenCalls are what happens to calls of Raft, and to requests of clients. A call that is lost breaks its connection
// after a while, as on a network that drops what it has lost the state of.
var brokenCalls = map[string][]fault.Message{
	"all twice": {
		{Path: "raft/", Do: fault.Duplicate},
		{Path: "raft/", Do: fault.Duplicate, By: 50 * time.Millisecond},
		{Path: "raft/", Do: fault.Duplicate, By: 3 * time.Second},
	},
	"answers lost": {
		{Path: "raft/", Do: fault.LoseAnswer, Every: 5, By: 100 * time.Millisecond},
		{From: "client", Path: "/_api/agency/", Do: fault.LoseAnswer, Every: 5, By: 300 * time.Millisecond},
	},
	"calls lost": {
		{Path: "raft/", Do: fault.LoseRequest, Every: 5, By: 100 * time.Millisecond},
		{From: "client", Path: "/_api/agency/", Do: fault.LoseRequest, Every: 5, By: 300 * time.Millisecond},
	},
	"late": {
		{Path: "raft/", Do: fault.DelayIt, Every: 4, By: 40 * time.Millisecond},
		{Path: "raft/AppendEntries", Do: fault.DelayIt, Every: 50, By: 20 * time.Second}, // longer than Raft waits
	},
	"out of order": {{Path: "raft/AppendEntries", Do: fault.Reorder, By: 100 * time.Millisecond}},
}

// Whatever becomes of Raft's calls: what clients see has an order in which it makes sense, also while leaders are
// isolated so that votes are asked for, too.
func TestLinearizableWithBrokenMessages(t *testing.T) {
	for name, rules := range brokenCalls {
		t.Run(name, func(t *testing.T) {
			n := uint64(1)
			if os.Getenv("STASIS_SOAK") != "" {
				n = 200
			}
			for seed := range n {
				brokenHistory(t, seed, rules)
			}
		})
	}
}

func brokenHistory(t *testing.T, seed uint64, rules []fault.Message) {
	r := &recorder{fates: map[string]int{}}
	inBubble(t, 3, Timing{Write: 2 * time.Second}, func(t *testing.T, c *cluster) {
		c.net.Latency(0, 20*time.Millisecond, seed)
		c.leader()
		r.begin = time.Now()
		var all []*fault.MessageRule
		for _, m := range rules {
			all = append(all, c.net.Message(m))
		}
		ctx, stop := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for i := range 4 {
			clients.Go(func() { r.client(ctx, c, i, rand.New(rand.NewPCG(seed, uint64(i)))) })
		}
		for range 3 {
			time.Sleep(time.Second)
			leader := c.leader()
			c.net.Isolate(leader)
			time.Sleep(2 * time.Second)
			c.net.Rejoin(leader)
		}
		stop()
		clients.Wait()
		for i, rule := range all {
			require.NotZero(t, rule.Met(), "%s: the fault did not happen", rules[i])
		}
	})
	r.explained(t, registers, r.history(), 30*time.Second, fmt.Sprintf("seed %d", seed))
	t.Logf("seed %d: %v", seed, r.fates)
	require.NotZero(t, r.fates["applied"], "the clients did nothing")
	require.NotZero(t, r.fates["read"])
}

// Each kind of call meets the rules by its name.
func TestCallsOfRaftAreMessages(t *testing.T) {
	inBubble(t, 3, Timing{SnapshotThreshold: 20, SnapshotInterval: time.Second, TrailingLogs: 5, KeepLog: 10}, func(t *testing.T, c *cluster) {
		met := map[string]*fault.MessageRule{}
		for _, call := range []string{"AppendEntries", "RequestVote", "RequestPreVote", "InstallSnapshot"} {
			met[call] = c.net.Message(fault.Message{Path: "raft/" + call, Do: fault.Duplicate})
		}
		// The agent that makes this call stops, and does not live to send a copy.
		met["TimeoutNow"] = c.net.Message(fault.Message{Path: "raft/TimeoutNow", Do: fault.DelayIt, By: time.Millisecond})
		leader := c.leader()
		straggler := c.others(leader)[0]
		c.kill(straggler)
		// Entries in the last segment of the log can be read although they are deleted, so several are filled.
		long := strings.Repeat("x", 20<<10)
		for i := range 100 {
			require.Equal(t, http.StatusOK, c.ask(leader, "write", fmt.Sprintf(`[[{"k%d":"%s"}]]`, i, long)).status)
		}
		time.Sleep(5 * time.Second) // a snapshot is made
		c.start(straggler)
		time.Sleep(10 * time.Second)
		require.NoError(t, c.agents[leader].Close(t.Context())) // it hands over
		delete(c.agents, leader)
		c.leader()
		time.Sleep(time.Second)
		for call, rule := range met {
			require.NotZero(t, rule.Met(), call)
		}
	})
}
