package agency

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/fence"
	"stasis/agency/outcome"
)

// freeze makes the disk of an agent hang until thaw is called, or the test ends.
func (c *cluster) freeze(name string) (thaw func()) {
	c.t.Helper()
	thaw = c.stores[name].freeze()
	c.thaws = append(c.thaws, thaw)
	return thaw
}

// asked is a request that is on its way.
type asked struct {
	call string
	done chan reply
	end  time.Time // when the answer came
}

// begin sends a request and does not wait for the answer.
func (c *cluster) begin(ctx context.Context, name, call, body string) *asked {
	a := &asked{call: call, done: make(chan reply, 1)}
	go func() {
		r, err := c.try(ctx, name, call, body)
		if err != nil {
			r.body = err.Error()
		}
		a.end = time.Now()
		a.done <- r
	}()
	return a
}

// sameTrees waits until every agent has the leader's tree.
func (c *cluster) sameTrees() {
	c.t.Helper()
	var want, got reply
	for range 600 {
		time.Sleep(100 * time.Millisecond)
		want = c.ask(c.leader(), "state", "")
		same := true
		for name := range c.agents {
			got = c.ask(name, "state", "")
			same = same && decoded(c.t, got)["index"] == decoded(c.t, want)["index"]
		}
		if same {
			for name := range c.agents {
				require.Equal(c.t, decoded(c.t, want)["agency"], decoded(c.t, c.ask(name, "state", ""))["agency"], name)
			}
			return
		}
	}
	require.Fail(c.t, "the trees differ", "%s\n%s", want, got)
}

// TestLeaderWhoseDiskHangs: its write does not return from the disk while its heartbeats
// could go on. Another agent leads within a few election's times; the one that hangs
// answers no client, with whatever is asked, and ends what waits; when its disk is back it
// follows, and the trees agree.
func TestLeaderWhoseDiskHangs(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		old := c.leader()
		require.Equal(t, 200, c.ask(old, "write", `[[{"x":1}]]`).status)
		term := decoded(t, c.ask(old, "config", ""))["term"]
		waiting := c.begin(t.Context(), old, "poll?index=2", "")
		synctest.Wait()
		thaw := c.freeze(old)
		begin := time.Now()
		stuck := []*asked{
			c.begin(t.Context(), old, "write", `[[{"x":"stuck"},{},"stuck"]]`),
			c.begin(t.Context(), old, "transact", `[[{"y":"stuck"}],["x"]]`),
		}
		next := c.leader(old)
		require.Less(t, time.Since(begin), 5*time.Second, "an election's time to notice, one or two to miss the leader, and an election")
		require.Equal(t, `200 {"results":[2]}`, c.ask(next, "write", `[[{"x":2}]]`).String())
		for _, a := range stuck {
			r := <-a.done
			require.Equal(t, http.StatusServiceUnavailable, r.status, r)
			require.Contains(t, r.body, outcome.ErrUnknown.Error())
			require.Less(t, a.end.Sub(begin), 2*time.Second, "%s was not ended", a.call)
		}
		r := <-waiting.done
		require.Equal(t, http.StatusServiceUnavailable, r.status, "a leader whose disk hangs answers: %s", r)
		require.Less(t, waiting.end.Sub(begin), 2*time.Second, "the poll was not ended")

		for round := range 20 { // for as long as it hangs, and Raft believes that it leads
			for _, q := range []struct{ call, body string }{
				{"read", `[["x"]]`}, {"write", `[[{"x":"late"}]]`}, {"transact", `[["x"]]`}, {"inquire", `["stuck"]`},
				{"transient", `[[{"beat":1}]]`}, {"transient", `[["/"]]`}, {"poll?index=0", ""}, {"members", ""}, {"state?redirectToLeader=true", ""},
			} {
				asked := time.Now()
				r := c.ask(old, q.call, q.body)
				require.Equal(t, `503 {"message":"No leader"}`, r.String(), "%d %s", round, q.call)
				require.Less(t, time.Since(asked), time.Second, q.call)
			}
			time.Sleep(500 * time.Millisecond)
		}
		require.Equal(t, term, decoded(t, c.ask(old, "config", ""))["term"], "it has heard of nothing")
		require.Equal(t, next, c.leader(), "and disturbed nothing")
		thaw()
		c.sameTrees()
		require.Equal(t, `200 [{"x":2}]`, c.ask(c.leader(), "read", `[["/"]]`).String(), "what was stuck is gone with its term")
		require.Equal(t, `404 {"results":[0],"inquired":true}`, c.ask(c.leader(), "inquire", `["stuck"]`).String())
		c.kill(next) // what thawed is needed, and can do everything
		last := c.leader()
		require.Equal(t, 200, c.ask(last, "write", `[[{"z":1}]]`).status)
	})
}

// TestIdleLeaderWhoseDiskHangs: with nothing to write no agent notices, and nothing is
// wrong: it leads, and its reads are right.
func TestIdleLeaderWhoseDiskHangs(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.ask(leader, "write", `[[{"x":1}]]`)
		time.Sleep(5 * time.Second)
		thaw := c.freeze(leader)
		time.Sleep(10 * time.Second)
		require.Equal(t, `200 [{"x":1}]`, c.ask(leader, "read", `[["x"]]`).String())
		thaw()
		require.Equal(t, 200, c.ask(leader, "write", `[[{"x":2}]]`).status)
		require.Equal(t, leader, c.leader())
	})
}

// TestFollowerWhoseDiskHangs: the others go on without delay, it is not counted among
// those that answer, gives no vote, and catches up.
func TestFollowerWhoseDiskHangs(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		hung, whole := c.others(leader)[0], c.others(leader)[1]
		time.Sleep(5 * time.Second)
		thaw := c.freeze(hung)
		for range 100 {
			begin := time.Now()
			require.Equal(t, 200, c.ask(leader, "write", `[[{"x":{"op":"increment"}}]]`).status)
			require.Less(t, time.Since(begin), 50*time.Millisecond)
			time.Sleep(50 * time.Millisecond)
		}
		require.Equal(t, leader, c.leader())
		r := c.ask(hung, "read", `[["x"]]`)
		require.Equal(t, `503 {"message":"No leader"}`, r.String(), "it hears no other agent, and says so")
		got, err := c.send(t.Context(), "DELETE", "http://"+leader+":1/_api/agency/members?id=AGNT-"+whole, "")
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, got.status, "without it none would be left that can write: %s", got)

		c.kill(whole) // no majority that can write is left
		begin := time.Now()
		write := c.begin(t.Context(), leader, "write", `[[{"x":"alone"}]]`)
		require.Equal(t, http.StatusServiceUnavailable, (<-write.done).status)
		require.Less(t, time.Since(begin), 5*time.Second)
		require.Equal(t, http.StatusServiceUnavailable, c.ask(leader, "read", `[["x"]]`).status)
		c.start(whole)
		require.NotEqual(t, hung, c.leader())
		thaw()
		c.sameTrees()
	})
}

// TestVoterWhoseDiskHangs: an agent whose disk hangs while it votes delays an election
// only if its vote is needed, and its vote counts when it is on the disk.
func TestVoterWhoseDiskHangs(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		require.Equal(t, 200, c.ask(leader, "write", `[[{"x":1}]]`).status)
		hung := c.others(leader)[0]
		thaw := c.freeze(hung)
		c.kill(leader)
		time.Sleep(30 * time.Second)
		for name := range c.agents {
			require.False(t, c.agents[name].IsLeader(), "%s leads with a vote that is on no disk", name)
		}
		thaw()
		next := c.leader()
		require.Equal(t, `200 [{"x":1}]`, c.ask(next, "read", `[["x"]]`).String())
		require.Equal(t, 200, c.ask(next, "write", `[[{"x":2}]]`).status)
	})
}

// TestLoneAgentWhoseDiskHangs: there is no other agent to lead; it says so at once instead
// of letting clients wait, and goes on when the disk does.
func TestLoneAgentWhoseDiskHangs(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		a := c.leader()
		require.Equal(t, 200, c.ask(a, "write", `[[{"x":1}]]`).status)
		thaw := c.freeze(a)
		begin := time.Now()
		r := c.ask(a, "write", `[[{"x":{"op":"increment"}},{},"stuck"]]`)
		require.Equal(t, http.StatusServiceUnavailable, r.status, r)
		require.Contains(t, r.body, outcome.ErrUnknown.Error())
		require.Less(t, time.Since(begin), 2*time.Second)
		for range 20 {
			for _, q := range []struct{ call, body string }{{"read", `[["x"]]`}, {"write", `[[{"x":7}]]`}, {"transient", `[[{"beat":1}]]`}} {
				asked := time.Now()
				require.Equal(t, `503 {"message":"No leader"}`, c.ask(a, q.call, q.body).String(), q.call)
				require.Less(t, time.Since(asked), 10*time.Millisecond)
			}
			time.Sleep(time.Second)
		}
		thaw()
		require.Equal(t, a, c.leader())
		require.Equal(t, `200 {"results":[2],"inquired":true}`, c.ask(a, "inquire", `["stuck"]`).String(), "it was unknown; now it is known")
		require.Equal(t, `200 [{"x":2}]`, c.ask(a, "read", `[["x"]]`).String())
		require.Equal(t, `200 {"results":[3]}`, c.ask(a, "write", `[[{"y":1}]]`).String())
	})
}

// TestHealthOfADiskThatHangs: a client that asks the agent itself is told since when, by calls
// that need no disk.
func TestHealthOfADiskThatHangs(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		old := c.leader()
		available := func() reply {
			r, err := c.send(t.Context(), "GET", "http://"+old+":1/_admin/server/availability", "")
			require.NoError(t, err)
			return r
		}
		require.NotContains(t, decoded(t, c.ask(old, "config", "")), "diskHangs")
		require.Equal(t, 200, available().status)
		thaw := c.freeze(old)
		begin := time.Now()
		c.begin(t.Context(), old, "write", `[[{"x":1}]]`)
		time.Sleep(10 * time.Second)
		told := decoded(t, c.ask(old, "config", ""))["diskHangs"].(map[string]any)
		require.InDelta(t, 10, told["seconds"], 0.1)
		require.Equal(t, begin.UTC().Format(time.RFC3339), told["since"])
		require.Equal(t, "append to Raft's log", told["call"])
		r := available()
		require.Equal(t, http.StatusServiceUnavailable, r.status)
		require.True(t, strings.Contains(r.body, "disk") && strings.Contains(r.body, "append to Raft's log"), r.body)
		status, err := c.send(t.Context(), "GET", "http://"+old+":1/_admin/status", "")
		require.NoError(t, err)
		require.Contains(t, status.body, `"diskHangs"`)
		thaw()
		time.Sleep(5 * time.Second)
		require.NotContains(t, decoded(t, c.ask(old, "config", "")), "diskHangs")
		require.Equal(t, 200, available().status)
	})
}

// TestDiskThatHangsTooLong: the agent stops for good and says why; its end has to wait for
// the disk.
func TestDiskThatHangsTooLong(t *testing.T) {
	inBubble(t, 3, Timing{DiskTimeout: 20 * time.Second}, func(t *testing.T, c *cluster) {
		old := c.leader()
		thaw := c.freeze(old)
		begin := time.Now()
		c.begin(t.Context(), old, "write", `[[{"x":1}]]`)
		err := <-c.agents[old].Err()
		require.ErrorIs(t, err, fence.ErrDiskHangs)
		require.ErrorContains(t, err, "append to Raft's log")
		require.InDelta(t, 20, time.Since(begin).Seconds(), 1)
		next := c.leader(old)
		require.Equal(t, `503 {"message":"agent is closed"}`, c.ask(old, "read", `[["x"]]`).String())
		require.Contains(t, decoded(t, c.ask(old, "config", "")), "diskHangs")
		closed := make(chan error, 1)
		go func() { closed <- c.agents[old].Close(context.Background()) }()
		time.Sleep(time.Minute)
		require.Empty(t, closed)
		require.Equal(t, 200, c.ask(next, "write", `[[{"x":2}]]`).status)
		thaw()
		require.NoError(t, <-closed)
		delete(c.agents, old)
		c.start(old)
		c.sameTrees()
	})
}

// TestSnapshotForADiskThatHangs: a snapshot is refused by an agent whose disk hangs, and
// one that is on its way when the disk begins to hang is received when it is back.
func TestSnapshotForADiskThatHangs(t *testing.T) {
	inBubble(t, 3, Timing{SnapshotThreshold: 20, SnapshotInterval: time.Second, TrailingLogs: 5, KeepLog: 10}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		hung := c.others(leader)[0]
		large := `[[{"x":{"op":"increment"}}],[{"big":"` + strings.Repeat("y", 100_000) + `"}]]`
		write := func() {
			for range 100 {
				require.Equal(t, 200, c.ask(leader, "write", large).status)
			}
			time.Sleep(5 * time.Second)
		}
		thaw := c.freeze(hung)
		write() // more than the log keeps: it is sent a snapshot
		require.NotNil(t, c.agents[hung].fence.Hang())
		thaw()
		c.sameTrees()

		c.kill(hung)
		write()
		c.start(hung)
		thaw = c.freeze(hung)
		time.Sleep(10 * time.Second)
		require.NotNil(t, c.agents[hung].fence.Hang())
		require.Contains(t, []string{"begin a snapshot", "publish a snapshot"}, c.agents[hung].fence.Hang().Call)
		require.Equal(t, 200, c.ask(leader, "write", large).status)
		thaw()
		c.sameTrees()
		require.Equal(t, leader, c.leader())
	})
}

// TestAllDisksHang: there is no leader, and one as soon as two disks are back. What was
// acknowledged is there; what was not has one outcome everywhere.
func TestAllDisksHang(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		old := c.leader()
		require.Equal(t, 200, c.ask(old, "write", `[[{"x":1}]]`).status)
		thaws := map[string]func(){}
		for name := range c.agents {
			thaws[name] = c.freeze(name)
		}
		r := c.ask(old, "write", `[[{"x":2},{},"stuck"]]`)
		require.Equal(t, http.StatusServiceUnavailable, r.status, r)
		require.Contains(t, r.body, outcome.ErrUnknown.Error())
		time.Sleep(30 * time.Second)
		for name := range c.agents {
			require.False(t, c.agents[name].IsLeader(), name)
			require.Equal(t, 503, c.ask(name, "read", `[["x"]]`).status)
		}
		others := c.others(old)
		thaws[others[0]]()
		time.Sleep(10 * time.Second)
		require.False(t, c.agents[others[0]].IsLeader())
		thaws[others[1]]()
		next := c.leader()
		require.Equal(t, `200 [{"x":1}]`, c.ask(next, "read", `[["x"]]`).String(), "the others never heard of the second")
		thaws[old]()
		c.sameTrees()
		require.Equal(t, `404 {"results":[0],"inquired":true}`, c.ask(c.leader(), "inquire", `["stuck"]`).String())
		require.Equal(t, `200 {"results":[2]}`, c.ask(c.leader(), "write", `[[{"x":3}]]`).String())
	})
}
