package agency

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/agency/store"
)

// TestElectionAndRedirect: one agent serves; the others send clients there with
// path and query intact.
func TestElectionAndRedirect(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		require.Equal(t, `200 {"results":[1]}`, c.ask(leader, "write", `[[{"x":1}]]`).String())
		for name := range c.agents {
			config := decoded(t, c.ask(name, "config", ""))
			require.Equal(t, "AGNT-"+leader, config["leaderId"])
			if name == leader {
				require.Len(t, config["lastAcked"], 3)
				continue
			}
			require.NotContains(t, config, "lastAcked")
			for _, call := range []string{"write", "read", "transact", "transient", "inquire"} {
				got := c.ask(name, call+"?a=b%20c&d", `[[{"y":1}]]`)
				if call == "read" || call == "inquire" {
					got = c.ask(name, call+"?a=b%20c&d", `[]`)
				}
				require.Equal(t, http.StatusTemporaryRedirect, got.status, call)
				require.Equal(t, "http://"+leader+":1/_api/agency/"+call+"?a=b%20c&d", got.header.Get("Location"))
				require.Empty(t, got.body)
			}
			require.Equal(t, http.StatusTemporaryRedirect, c.ask(name, "poll?index=0", "").status)
			require.Equal(t, http.StatusTemporaryRedirect, c.ask(name, "state?redirectToLeader=true", "").status)
			require.Equal(t, http.StatusBadRequest, c.ask(name, "write", `{}`).status)
		}
	})
}

// TestLeaderKilled: what was acknowledged survives, and the next index follows.
func TestLeaderKilled(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		first := c.leader()
		for i := 1; i <= 5; i++ {
			require.Equal(t, fmt.Sprintf(`200 {"results":[%d]}`, i), c.ask(first, "write", `[[{"x":{"op":"increment"}}]]`).String())
		}
		c.ask(first, "transient", `[[{"beat":1}]]`)
		c.kill(first)
		second := c.leader()
		require.Equal(t, `200 [{"x":5}]`, c.ask(second, "read", `[["x"]]`).String())
		require.Equal(t, `200 {"results":[6]}`, c.ask(second, "write", `[[{"x":{"op":"increment"}}]]`).String())
		require.Equal(t, `200 [{}]`, c.ask(second, "transient", `[["/"]]`).String(), "the transient tree dies with its leader")
		c.start(first)
		synctest.Wait()
		c.kill(second)
		third := c.leader()
		require.Equal(t, `200 [{"x":6}]`, c.ask(third, "read", `[["x"]]`).String())
	})
}

// TestCloseHandsOver: a leader that is closed politely leaves another behind at
// once, without an election timeout.
func TestCloseHandsOver(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		first := c.leader()
		c.ask(first, "write", `[[{"x":1}]]`)
		begin := time.Now()
		require.NoError(t, c.agents[first].Close(t.Context()))
		require.Less(t, time.Since(begin), 900*time.Millisecond)
		delete(c.agents, first)
		second := c.leader()
		require.Less(t, time.Since(begin), time.Second)
		require.Equal(t, `200 [{"x":1}]`, c.ask(second, "read", `[["x"]]`).String())
	})
}

// TestMinorityLeaderAnswersNothing: a leader cut off with no majority must not
// answer a read, from the very moment of the cut; the majority goes on; and its
// own unacknowledged write is answered as unknown and is gone afterwards.
func TestMinorityLeaderAnswersNothing(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		old := c.leader()
		c.ask(old, "write", `[[{"x":1}]]`)
		for name := range c.agents { // the client still reaches everybody
			if name != old {
				c.net.Cut(old, name)
				c.net.Cut(name, old)
			}
		}
		var wait sync.WaitGroup
		answers := make([]reply, 5)
		for i, ask := range []struct{ call, body string }{
			{"read", `[["x"]]`},
			{"write", `[[{"x":"lost"},{},"lost"]]`},
			{"transact", `[["x"]]`},
			{"inquire", `["lost"]`},
			{"poll?index=0", ""},
		} {
			wait.Go(func() {
				r, err := c.try(context.Background(), old, ask.call, ask.body)
				if err != nil {
					r.body = err.Error()
				}
				answers[i] = r
			})
		}
		wait.Wait()
		for i, r := range answers {
			require.Equal(t, http.StatusServiceUnavailable, r.status, "%d: %s", i, r)
		}
		require.Contains(t, answers[1].body, "unknown")
		next := c.leader(old)
		require.Equal(t, `200 [{"x":1}]`, c.ask(next, "read", `[["x"]]`).String())
		require.Equal(t, `404 {"results":[0],"inquired":true}`, c.ask(next, "inquire", `["lost"]`).String())
		require.Equal(t, `200 {"results":[2]}`, c.ask(next, "write", `[[{"x":2}]]`).String())
		c.net.HealAll()
		c.leader()
		time.Sleep(5 * time.Second)
		for name := range c.agents {
			require.Equal(t, map[string]any{"x": 2.0}, decoded(t, c.ask(name, "state", ""))["agency"], name)
		}
	})
}

// TestOldAnswersDoNotConfirm: while answers to the old leader's calls are still
// on their way, another leader is elected and acknowledges a write. Those answers
// say that the old one led when it sent the calls; a read that was asked for
// later must not be answered on their strength.
func TestOldAnswersDoNotConfirm(t *testing.T) {
	for range 5 {
		inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
			old := c.leader()
			c.ask(old, "write", `[[{"x":1}]]`)
			next := c.others(old)[0]
			for _, other := range c.others(old) {
				c.net.Delay(other, old, 150*time.Millisecond)
			}
			time.Sleep(time.Second)
			var handOver sync.WaitGroup
			handOver.Go(func() { // tells one follower to stand for election at once
				id := raft.ServerID("AGNT-" + next)
				_ = c.agents[old].node.Raft.LeadershipTransferToServer(id, raft.ServerAddress(c.peers[string(id)])).Error() // seen below
			})
			for range 1000 {
				if time.Sleep(time.Millisecond); c.agents[next].IsLeader() {
					break
				}
			}
			require.Equal(t, `200 {"results":[2]}`, c.ask(next, "write", `[[{"x":2}]]`).String())
			require.Equal(t, raft.Leader, c.agents[old].node.Raft.State(), "it must not know yet")
			got := c.ask(old, "read", `[["x"]]`)
			require.NotEqual(t, http.StatusOK, got.status, "an old answer confirms a read: %s", got.body)
			handOver.Wait()
		})
	}
}

// TestNewLeaderAppliesFirst: a write is acknowledged with the help of one
// follower, which then becomes leader and does not know yet that it is committed:
// it has to send it to the other one first, in two steps. It must not answer
// before, although heartbeats confirm its leadership sooner.
func TestNewLeaderAppliesFirst(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		old := c.leader()
		heir, behind := c.others(old)[0], c.others(old)[1]
		for range 10 {
			c.ask(old, "write", `[[{"x":1}]]`)
		}
		time.Sleep(time.Second)
		c.net.Cut(old, behind)
		require.Equal(t, 200, c.ask(old, "write", `[[{"x":2}]]`).status)
		c.kill(old)
		c.net.Delay(heir, behind, 20*time.Millisecond)
		c.net.Delay(behind, heir, 20*time.Millisecond)
		for range 10000 {
			time.Sleep(time.Millisecond)
			if got := c.ask(heir, "read", `[["x"]]`); got.status == http.StatusOK {
				require.Equal(t, `200 [{"x":2}]`, got.String())
				return
			}
		}
		require.Fail(t, "no leader")
	})
}

// TestLostAnswers: the answer to a write is lost, and the client asks what became
// of it before it repeats: every increment counts exactly once.
func TestLostAnswers(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		const n = 20
		for i := range n {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			body := fmt.Sprintf(`[[{"x":{"op":"increment"}},{},"id-%d"]]`, i)
			if i%2 == 0 {
				c.net.Delay(leader, "client", 10*time.Millisecond)
				go func() { // the answer is on its way
					time.Sleep(5 * time.Millisecond)
					c.net.Drop(leader, "client")
				}()
			}
			_, err := c.try(ctx, leader, "write", body)
			cancel()
			c.net.HealAll()
			if i%2 == 0 {
				require.Error(t, err)
				require.Equal(t, 200, c.ask(leader, "inquire", fmt.Sprintf(`["id-%d"]`, i)).status)
			}
		}
		require.Equal(t, fmt.Sprintf(`200 [{"x":%d}]`, n), c.ask(leader, "read", `[["x"]]`).String())
	})
}

// TestInquireWaits: while a write is on its way, inquire does not answer 0; with
// noWait it says that something is on its way.
func TestInquireWaits(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		send := func(call, body string) <-chan reply {
			answers := make(chan reply, 1)
			go func() {
				r, err := c.try(context.Background(), leader, call, body)
				if err != nil {
					r.body = err.Error()
				}
				answers <- r
			}()
			synctest.Wait()
			return answers
		}
		thaw := c.freeze(leader)
		written := send("write", `[[{"x":1},{},"slow"]]`) // it is there, and the disk does not take it
		require.Equal(t, `404 {"results":[0],"inquired":true,"ongoing":true}`, c.ask("a", "inquire", `["slow"]`, "X-ArangoDB-Agency-Mode", "noWait").String())
		require.Equal(t, `404 {"results":[0],"inquired":true}`, c.ask("a", "inquire", `["other"]`).String())
		inquired := send("inquire", `["slow"]`)
		time.Sleep(500 * time.Millisecond) // less than what makes the disk one that hangs
		require.Empty(t, inquired)
		thaw()
		require.Equal(t, `200 {"results":[1],"inquired":true}`, (<-inquired).String())
		require.Equal(t, `200 {"results":[1]}`, (<-written).String())
	})
}

// TestAgentsMove: the peers are known by id; their addresses are those of the
// present start, whatever Raft's log says.
func TestAgentsMove(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		c.ask(c.leader(), "write", `[[{"x":1}]]`)
		for id, name := range map[string]string{"AGNT-a": "a", "AGNT-b": "b", "AGNT-c": "c"} {
			c.kill(name)
			c.peers[id] = name + ":2"
		}
		for name := range c.stores {
			c.start(name)
		}
		leader := c.leader()
		require.Equal(t, `200 [{"x":1}]`, c.ask(leader, "read", `[["x"]]`).String())
		require.Equal(t, "http://"+leader+":2/_api/agency/read", c.ask(c.others(leader)[0], "read", `[]`).header.Get("Location"))
	})
}

// TestSupervised: the leader supervises, a new one goes on with it, and no agent
// touches a pristine agency.
func TestSupervised(t *testing.T) {
	inBubble(t, 3, Timing{Ownerless: 20 * time.Second}, func(t *testing.T, c *cluster) {
		first := c.leader()
		before := c.agents[first].node.Raft.LastIndex()
		time.Sleep(2 * time.Minute) // many times each period of an agent
		require.Equal(t, before, c.agents[first].node.Raft.LastIndex(), "an idle agency writes nothing")
		lock := `{"` + keys.HotBackupCreate + `":"2026-01-01T00:00:00Z"}`
		require.Equal(t, `200 {"results":[1,2]}`, c.ask(first, "write", `[[{"`+keys.InitDone+`":true}],[`+lock+`]]`).String())
		time.Sleep(10 * time.Second)
		require.Equal(t, `412 {"results":[0]}`, c.ask(first, "write", `[[{"`+keys.PlanVersion+`":1}]]`).String(), "frozen")
		c.kill(first)
		second := c.leader()
		time.Sleep(15 * time.Second)
		require.Equal(t, 412, c.ask(second, "write", `[[{"`+keys.PlanVersion+`":1}]]`).status, "a new leader begins to count again")
		time.Sleep(10 * time.Second)
		require.Equal(t, 200, c.ask(second, "write", `[[{"`+keys.PlanVersion+`":1}]]`).status)
	})
}

// TestNoLeader: without majority every data call is 503, and config still answers.
func TestNoLeader(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for name := range c.agents {
			if name != leader {
				c.kill(name)
			}
		}
		time.Sleep(5 * time.Second)
		require.Equal(t, `503 {"message":"No leader"}`, c.ask(leader, "read", `[["/"]]`).String())
		require.Equal(t, `503 {"message":"No leader"}`, c.ask(leader, "write", `[[{"x":1}]]`).String())
		require.Equal(t, `503 {"message":"No leader"}`, c.ask(leader, "poll", "").String())
		require.Equal(t, "", decoded(t, c.ask(leader, "config", ""))["leaderId"])
		got, err := c.send(t.Context(), "GET", "http://"+leader+":1/_admin/server/availability", "")
		require.NoError(t, err)
		require.Equal(t, 200, got.status)
	})
}

// TestWriteTimesOutUnknown: a commit that takes longer than the limit is 408, and
// inquire tells later that it did happen.
func TestWriteTimesOutUnknown(t *testing.T) {
	inBubble(t, 3, Timing{Write: 300 * time.Millisecond}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for name := range c.agents {
			if name != leader {
				c.net.Delay(leader, name, 200*time.Millisecond)
				c.net.Delay(name, leader, 200*time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		got := c.ask(leader, "write", `[[{"x":1},{},"late"]]`)
		require.Equal(t, http.StatusRequestTimeout, got.status, got.body)
		require.EqualValues(t, 408, decoded(t, got)["errorNum"])
		c.net.HealAll()
		time.Sleep(time.Second)
		require.Equal(t, `200 {"results":[1],"inquired":true}`, c.ask(c.leader(), "inquire", `["late"]`).String())
	})
}

// TestWholeClusterRestarts: all agents stop and start again with what they had.
func TestWholeClusterRestarts(t *testing.T) {
	inBubble(t, 3, Timing{SnapshotThreshold: 20, SnapshotInterval: time.Second, TrailingLogs: 5, KeepLog: 10}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for range 60 {
			require.Equal(t, 200, c.ask(leader, "write", `[[{"x":{"op":"increment"}}]]`).status)
		}
		time.Sleep(5 * time.Second) // snapshots
		for name := range c.agents {
			c.kill(name)
		}
		for name, stores := range c.stores {
			d, err := store.Open(store.Config{Dir: memoryDir, FS: stores.FS(), Logger: logger(t)})
			require.NoError(t, err)
			shots, err := d.Snapshots.List()
			require.NoError(t, err)
			require.NotEmpty(t, shots, name)
			require.NoError(t, d.Close())
			c.start(name)
		}
		leader = c.leader()
		require.Equal(t, `200 [{"x":60}]`, c.ask(leader, "read", `[["x"]]`).String())
		require.Equal(t, `200 {"results":[61]}`, c.ask(leader, "write", `[[{"x":{"op":"increment"}}]]`).String())
	})
}

// TestStragglerGetsSnapshot: an agent that was away for longer than the log
// reaches back is sent a snapshot and ends with the same tree.
func TestStragglerGetsSnapshot(t *testing.T) {
	inBubble(t, 3, Timing{SnapshotThreshold: 20, SnapshotInterval: time.Second, TrailingLogs: 5, KeepLog: 10}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		var straggler string
		for name := range c.agents {
			if name != leader {
				straggler = name
			}
		}
		c.kill(straggler)
		for range 100 {
			c.ask(leader, "write", `[[{"x":{"op":"increment"}}],[{"big":"`+strings.Repeat("y", 1000)+`"}]]`)
		}
		time.Sleep(5 * time.Second)
		c.start(straggler)
		time.Sleep(5 * time.Second)
		want, got := c.ask(leader, "state", ""), c.ask(straggler, "state", "")
		require.Equal(t, decoded(t, want)["agency"], decoded(t, got)["agency"])
		require.EqualValues(t, 200, decoded(t, got)["index"])
		require.Equal(t, decoded(t, want)["log"], decoded(t, got)["log"])
	})
}

// TestGroupCommit: what arrives while an entry is being written shares the next
// one, in an envelope's own order; and a lone client does not wait for company.
func TestGroupCommit(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for name := range c.agents {
			if name != leader {
				c.net.Delay(leader, name, 10*time.Millisecond)
				c.net.Delay(name, leader, 10*time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		// A follower takes one call at a time: an empty one of Raft's own, which may be
		// on its way, is all that a lone write may have to wait for.
		const lone = 20
		fastest := time.Hour
		for range lone {
			begin := time.Now()
			c.ask(leader, "write", `[[{"alone":1}]]`)
			took := time.Since(begin)
			require.LessOrEqual(t, took, 41*time.Millisecond)
			fastest = min(fastest, took)
			time.Sleep(37 * time.Millisecond)
		}
		require.LessOrEqual(t, fastest, 21*time.Millisecond)

		const clients, each = 50, 4
		before := c.agents[leader].node.Raft.LastIndex()
		indexes := make([][]float64, clients)
		var wait sync.WaitGroup
		for i := range clients {
			wait.Go(func() {
				for range each {
					r, err := c.try(context.Background(), leader, "transact", `[[{"n":{"op":"increment"}}],["n"]]`)
					if err != nil || r.status != 200 {
						return // the count below tells
					}
					var body []any
					if decode(r, &body) == nil {
						indexes[i] = append(indexes[i], body[0].(float64), body[1].(map[string]any)["n"].(float64))
					}
				}
			})
		}
		wait.Wait()
		entries := c.agents[leader].node.Raft.LastIndex() - before
		require.Less(t, entries, uint64(clients*each/4))
		var seen []float64
		for _, pairs := range indexes {
			for i := 0; i < len(pairs); i += 2 {
				require.Equal(t, pairs[i], pairs[i+1]+lone, "a read sees its own transaction and nothing later")
				seen = append(seen, pairs[i])
			}
		}
		slices.Sort(seen)
		require.Len(t, slices.Compact(seen), clients*each, "indices are consecutive and distinct")
		require.Equal(t, float64(clients*each+lone), seen[len(seen)-1])
	})
}

// TestReadersShareRounds: readers that wait together are confirmed together.
func TestReadersShareRounds(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for name := range c.agents {
			if name != leader {
				c.net.Delay(leader, name, 10*time.Millisecond)
				c.net.Delay(name, leader, 10*time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		begin := time.Now()
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				for range 3 {
					if r, err := c.try(context.Background(), leader, "read", `[["/"]]`); err != nil || r.status != 200 {
						t.Errorf("read: %v %v", r, err)
					}
				}
			})
		}
		wait.Wait()
		// Three rounds of 20 ms each; a round may have to wait for the heartbeat
		// that is on its way.
		require.Less(t, time.Since(begin), 200*time.Millisecond)
	})
}
