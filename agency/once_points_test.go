//go:build failpoints

package agency

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/outcome"
	"stasis/internal/failpoint"
	"stasis/internal/network"
)

// heldBack stops the first write that an agent has read, before it is in the queue.
func heldBack(t *testing.T, name string) (reached <-chan struct{}, release func()) {
	at, goOn := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	clear := failpoint.Set("agency/write", "AGNT-"+name, func(context.Context, string) error {
		if first.CompareAndSwap(false, true) {
			close(at)
			<-goOn
		}
		return nil
	})
	t.Cleanup(clear)
	return at, sync.OnceFunc(func() { close(goOn) })
}

const increment = `[[{"x":{"op":"increment"}},{},"me"]]`

// late sends a write that the agent reads and does not get to, and gives what releases it and
// tells how it was answered.
func (c *cluster) late(t *testing.T, name string) (release func() reply) {
	reached, goOn := heldBack(t, name)
	answers := make(chan reply, 1)
	go func() { // ends with release
		r, err := c.try(context.Background(), name, "write", increment, keys.OnceHeader, "true")
		if err != nil {
			r.body = err.Error()
		}
		answers <- r
	}()
	<-reached
	return sync.OnceValue(func() reply {
		goOn()
		return <-answers
	})
}

// TestLateRequestIsNotApplied: a leader that stood still has a write and an inquiry for it in
// its buffers, and gets to the inquiry first. It answers that nothing was applied, the
// client repeats the write, and then comes the first one.
func TestLateRequestIsNotApplied(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		release := c.late(t, leader)
		defer release()
		require.Equal(t, `404 {"results":[0],"inquired":true}`, c.ask(leader, "inquire", `["me"]`).String())
		require.Equal(t, `200 {"results":[1]}`, c.ask(leader, "write", increment, keys.OnceHeader, "true").String())
		late := release()
		require.Equal(t, `200 [{"x":1}]`, c.ask(leader, "read", `[["x"]]`).String(), "it was applied twice")
		require.Equal(t, http.StatusServiceUnavailable, late.status)
		require.Contains(t, late.body, outcome.ErrUnknown.Error(), "who asks for the outcome is told the index")
		require.Equal(t, `200 {"results":[1],"inquired":true}`, c.ask(leader, "inquire", `["me"]`).String())

		require.Equal(t, `200 {"results":[2]}`, c.ask(leader, "write", increment).String(), "an id alone is no deduplication key")
		require.Equal(t, 503, c.ask(leader, "transact", increment, keys.OnceHeader, "true").status)
		require.Equal(t, `200 [{"x":2}]`, c.ask(leader, "read", `[["x"]]`).String())
	})
}

// TestLateRequestAtALaterLeadership: the same, and meanwhile another agent has led and applied the
// repetition. The first leader leads again when it gets to the first request.
func TestLateRequestAtALaterLeadership(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		first := c.leader()
		release := c.late(t, first)
		defer release()
		c.net.Isolate(first)
		next := c.leader(first)
		require.Equal(t, `404 {"results":[0],"inquired":true}`, c.ask(next, "inquire", `["me"]`).String())
		require.Equal(t, `200 {"results":[1]}`, c.ask(next, "write", increment, keys.OnceHeader, "true").String())
		c.net.HealAll()
		for range 100 {
			if time.Sleep(time.Second); c.agents[first].IsLeader() {
				break
			}
			id := raft.ServerID("AGNT-" + first)
			_ = c.agents[c.leader()].node.Raft.LeadershipTransferToServer(id, raft.ServerAddress(c.peers[string(id)])).Error() // tried again
		}
		require.True(t, c.agents[first].IsLeader())
		release()
		require.Equal(t, `200 [{"x":1}]`, c.ask(first, "read", `[["x"]]`).String(), "it was applied twice")
	})
}

// TestClientRepeatsOnce: the client of the agency gives up a request that the leader has read
// and not got to, and repeats it. It counts once, whichever comes first.
func TestClientRepeatsOnce(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		reached, release := heldBack(t, leader)
		defer release()
		http := network.NewHTTPClient(c.net.Host("server"))
		defer http.CloseIdleConnections()
		by := agencyclient.New(agencyclient.Options{Endpoints: []string{"http://" + leader + ":1"}, HTTP: http, AttemptTimeout: 250 * time.Millisecond})
		index, err := by.Write(t.Context(), agencyclient.Tx{Ops: map[string]any{"x": agencyclient.Increment(1)}})
		require.NoError(t, err)
		require.EqualValues(t, 1, index)
		<-reached
		release()
		time.Sleep(time.Second)
		require.Equal(t, `200 [{"x":1}]`, c.ask(leader, "read", `[["x"]]`).String(), "it was applied twice")
	})
}
