package agency

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/origin"
)

// newcomer starts an agent with nothing that asks to be a member.
func (c *cluster) newcomer(name, address, at string) *Agent {
	c.t.Helper()
	c.stores[name] = newMemory(name)
	c.peers["AGNT-"+name] = address
	a, err := Start(c.t.Context(), Config{
		ID: "AGNT-" + name, Listen: address, Join: []string{c.peers["AGNT-"+at]}, Network: c.net.Host(name),
		Dir: memoryDir, FS: c.stores[name].FS(), Logger: logger(c.t).Named(name), Timing: c.timing,
	})
	require.NoError(c.t, err)
	c.agents[name] = a
	return a
}

// members asks the leader; by id.
func (c *cluster) members() map[string]agencyclient.Member {
	c.t.Helper()
	r := c.ask(c.leader(), "members", "")
	require.Equal(c.t, http.StatusOK, r.status, r.body)
	var list agencyclient.Members
	require.NoError(c.t, decode(r, &list))
	byID := map[string]agencyclient.Member{}
	for _, m := range list.Members {
		byID[m.ID] = m
	}
	return byID
}

// voters waits until the agency has so many voters.
func (c *cluster) voters(want int) {
	c.t.Helper()
	n := 0
	for range 600 {
		n = 0
		for _, m := range c.members() {
			if m.Voter {
				n++
			}
		}
		if n == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.Equal(c.t, want, n, "voters")
}

func (c *cluster) expel(name string) reply {
	c.t.Helper()
	r, err := c.send(c.t.Context(), http.MethodDelete, "http://"+c.peers["AGNT-"+c.leader()]+"/_api/agency/members?id=AGNT-"+name, "")
	require.NoError(c.t, err)
	return r
}

// TestGrowAndShrink: an agency of one becomes three and five, keeps what it had,
// survives two losses, and becomes three again by removing the dead.
func TestGrowAndShrink(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		require.Equal(t, `200 {"results":[1]}`, c.ask(c.leader(), "write", `[[{"x":1}]]`).String())
		for i, name := range []string{"b", "c", "d", "e"} {
			c.newcomer(name, name+":1", "a")
			c.voters(i + 2)
		}
		c.ask(c.leader(), "write", `[[{"x":2}]]`)
		for range 2 {
			time.Sleep(5 * time.Second)
			c.kill(c.leader())
		}
		require.Equal(t, `200 [{"x":2}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
		for id := range c.members() {
			if name := id[len("AGNT-"):]; c.agents[name] == nil {
				require.Equal(t, http.StatusOK, c.expel(name).status)
			}
		}
		c.voters(3)
		c.kill(c.others(c.leader())[0])
		require.Equal(t, `200 {"results":[3]}`, c.ask(c.leader(), "write", `[[{"x":3}]]`).String())
		time.Sleep(10 * time.Second)
		alive := c.others(c.leader())[0]
		refused := c.expel(alive)
		require.Equal(t, http.StatusBadRequest, refused.status)
		require.Contains(t, refused.body, "no majority", "the last but one that answers cannot go while the third is dead")
	})
}

// TestDeadAgentReplaced: a new agent takes the place of one that is gone for good.
func TestDeadAgentReplaced(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		c.leader()
		c.ask(c.leader(), "write", `[[{"x":1}]]`)
		dead := c.others(c.leader())[0]
		c.kill(dead)
		time.Sleep(5 * time.Second)
		require.Equal(t, http.StatusOK, c.expel(dead).status)
		c.newcomer("n", "n:1", c.leader())
		c.voters(3)
		require.NotContains(t, c.members(), "AGNT-"+dead)
		c.kill(c.leader())
		require.Equal(t, `200 [{"x":1}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
	})
}

// TestAgentFoundAtNewAddress: an agent comes back elsewhere, with the list of peers
// of its first start for the others: they find it, and it counts.
func TestAgentFoundAtNewAddress(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		moved := c.others(c.leader())[0]
		c.kill(moved)
		time.Sleep(2 * time.Second)
		c.peers["AGNT-"+moved] = moved + ":7"
		c.start(moved)
		for range 100 {
			if c.members()["AGNT-"+moved].Endpoint == "tcp://"+moved+":7" && c.members()["AGNT-"+moved].Lag == 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, "tcp://"+moved+":7", c.members()["AGNT-"+moved].Endpoint)
		for _, other := range c.others(moved) {
			if other != c.leader() {
				c.kill(other)
				break
			}
		}
		time.Sleep(5 * time.Second)
		require.Equal(t, `200 {"results":[1]}`, c.ask(c.leader(), "write", `[[{"x":1}]]`).String(), "the moved one is needed for it")
	})
}

// TestWipedAgentDoesNotVoteAsItself: an entry is acknowledged by a leader and one
// follower, which then loses its directory. With the leader gone, it must not make
// a majority with the agent that never had the entry.
func TestWipedAgentDoesNotVoteAsItself(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.ask(leader, "write", `[[{"x":"old"}]]`)
		others := c.others(leader)
		wiped, behind := others[0], others[1]
		c.kill(behind)
		require.Equal(t, `200 {"results":[2]}`, c.ask(leader, "write", `[[{"x":"acknowledged"}]]`).String())
		c.kill(wiped)
		c.kill(leader)
		c.stores[wiped] = newMemory(wiped)
		c.start(wiped)
		c.start(behind)
		for range 200 { // ten seconds: many elections' time
			require.False(t, c.agents[wiped].IsLeader() || c.agents[behind].IsLeader(), "a majority of the forgetful")
			time.Sleep(50 * time.Millisecond)
		}
		require.True(t, c.agents[wiped].learner.Active())
		c.start(leader)
		require.Equal(t, `200 [{"x":"acknowledged"}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
		for range 200 {
			if !c.agents[wiped].learner.Active() {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		require.False(t, c.agents[wiped].learner.Active(), "it has caught up")
		c.kill(c.leader())
		require.Equal(t, `200 [{"x":"acknowledged"}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
	})
}

// TestWipedAgentThatHeardALeaderDoesNotVote: it belongs to the agency again from the
// leader's first call on, and members that know it ask for its vote. It has forgotten what
// it promised, whatever the leader has sent it since.
func TestWipedAgentThatHeardALeaderDoesNotVote(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		others := c.others(leader)
		wiped, behind := others[0], others[1]
		c.kill(behind)
		require.Equal(t, `200 {"results":[1]}`, c.ask(leader, "write", `[[{"x":"acknowledged"}]]`).String())
		c.kill(wiped)
		c.stores[wiped] = newMemory(wiped)
		c.start(wiped)
		for range 500 {
			if c.agents[wiped].origins.Origin().Exists() {
				break
			}
			time.Sleep(time.Millisecond)
		}
		require.True(t, c.agents[wiped].origins.Origin().Exists(), "it has heard no leader")
		require.True(t, c.agents[wiped].learner.Active(), "it has caught up already")
		c.kill(leader)
		c.start(behind)
		for range 200 {
			require.False(t, c.agents[wiped].IsLeader() || c.agents[behind].IsLeader(), "a majority with one that has forgotten its votes")
			time.Sleep(50 * time.Millisecond)
		}
		c.start(leader)
		require.Equal(t, `200 [{"x":"acknowledged"}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
	})
}

// TestLeadershipHandedOver: to the agent that is named, or to any.
func TestLeadershipHandedOver(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		first := c.leader()
		to := c.others(first)[1]
		require.Equal(t, http.StatusOK, c.ask(first, "members", fmt.Sprintf(`{"transfer":true,"id":"AGNT-%s"}`, to)).status)
		require.Equal(t, to, c.leader(first))
		require.Equal(t, http.StatusBadRequest, c.ask(c.leader(first), "members", `{"transfer":true,"id":"AGNT-none"}`).status)
		time.Sleep(time.Second) // by then it has heard of the new leader
		require.Equal(t, http.StatusTemporaryRedirect, c.ask(first, "members", `{"transfer":true}`).status)
	})
}

// TestRemovalRightAfterAnElection: a new leader that has not heard of all others yet
// does not take them for dead, and removes a member as soon as it has.
func TestRemovalRightAfterAnElection(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		first := c.leader()
		others := c.others(first)
		c.net.Delay(others[1], others[0], 300*time.Millisecond)
		require.Equal(t, http.StatusOK, c.ask(first, "members", fmt.Sprintf(`{"transfer":true,"id":"AGNT-%s"}`, others[0])).status)
		require.Equal(t, others[0], c.leader(first))
		require.Equal(t, "200", c.expel(first).String()[:3])
		c.net.HealAll()
		c.voters(2)
	})
}

// TestStreamForAnotherAgent: at the address of another, an agent answers no Raft
// call that is meant for that one.
func TestStreamForAnotherAgent(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		gone := c.others(leader)[0]
		c.kill(gone)
		stranger := "s"
		c.stores[stranger], c.peers["AGNT-s"] = newMemory("s"), "s:1"
		a, err := Start(t.Context(), Config{ID: "AGNT-s", Listen: "s:1", Network: c.net.Host(stranger), Dir: memoryDir, FS: c.stores[stranger].FS(), Logger: logger(t), Timing: c.timing})
		require.NoError(t, err)
		c.agents[stranger] = a
		c.agents[leader].node.Book().Learn(c.agents[leader].members.Configuration())
		l := c.agents[leader]
		guard := origin.NewGuard(l.origins, &origin.Status{}, l.node.Voters, l.life.mustStop, l.logger)
		conn, err := l.port.Streams(l.node.Streams(guard)).Dial("AGNT-other@s:1", time.Second)
		require.NoError(t, err)
		_, err = conn.Write(make([]byte, 64))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.Error(t, err)
		require.NoError(t, conn.Close())
	})
}
